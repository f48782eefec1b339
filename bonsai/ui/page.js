/* The conversation in the browser: which turns are shown, and which Reasonings a visitor has opened. */
window.bonsai = {
  /* Keep filters and opened Reasonings when the turns are drawn anew. */
  keep(element, watch) {
    const opened = new Set();
    element.addEventListener('toggle', (event) => {
      const turn = event.target.closest('[data-key]');
      if (turn) opened[event.target.open ? 'add' : 'delete'](turn.dataset.key);
    }, true);
    let first = element.querySelector('[data-key]')?.textContent;
    watch('value', () => {
      const panel = element.closest('.bonsai-live');
      const other = element.querySelector('[data-key]')?.textContent;
      if (other !== first && !panel.querySelector('.now')) {
        // Another run, which nobody writes: it is read from its beginning.
        delete panel.dataset.follows;
        panel.querySelector('.bonsai-scroll').scrollTop = 0;
      }
      first = other;
      for (const turn of element.querySelectorAll('[data-key]')) {
        const reasoning = turn.querySelector('details');
        if (reasoning && opened.has(turn.dataset.key)) reasoning.open = true;
      }
      bonsai.apply(panel);
    });
  },

  /* Stay at the end of what is being written. */
  follow(element, watch) {
    watch('value', () => {
      if (element.querySelector('.now')) element.closest('.bonsai-live').dataset.follows = '';
    });
  },

  /* Show only the turns that have what is wanted: text, chain, step, flag. */
  filter(id, wanted) {
    const panel = document.getElementById(id);
    if (!panel) return;
    panel.wanted = wanted.map((value) => String(value ?? '').trim().toLowerCase());
    bonsai.apply(panel);
  },

  apply(panel) {
    if (!panel?.wanted) return;
    const [text, chain, number, flag] = panel.wanted;
    let found = 0;
    const turns = panel.querySelectorAll('.turn[data-key]');
    for (const turn of turns) {
      const { chain: ownChain, number: ownNumber, flags } = turn.dataset;
      const fits = (!chain || chain === ownChain) && (!number || number === ownNumber)
        && (!flag || flags.split(' ').includes(flag)) && (!text || turn.textContent.toLowerCase().includes(text));
      turn.hidden = !fits;
      found += fits;
    }
    const none = panel.querySelector('.none');
    if (none) none.hidden = found > 0 || turns.length === 0;
  },

  /* Tell a sentence, given as HTML, for some seconds or until it is clicked. */
  toast(told) {
    const parsed = new DOMParser().parseFromString(told, 'text/html');
    const toast = document.createElement('div');
    toast.className = 'bonsai-toast';
    toast.setAttribute('role', 'alert');
    toast.textContent = parsed.body.textContent;
    toast.addEventListener('click', () => toast.remove());
    document.querySelectorAll('.bonsai-toast').forEach((old) => old.remove());
    (document.querySelector('.gradio-container') ?? document.body).append(toast);
    setTimeout(() => toast.remove(), 8000);
  },
};
