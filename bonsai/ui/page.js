/* In the browser: which turns are shown, which Reasonings are open, and what a visitor says of steps. */
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

  /* Tell what a visitor says of steps: all that was said since they were drawn, so that nothing is lost in between. */
  mark(element, watch, trigger) {
    const panel = element.closest('.bonsai-live');
    panel.told = {};
    const tell = (turn) => {
      const pressed = turn.querySelector('[data-mark][aria-pressed="true"]');
      panel.told[turn.dataset.key] = [pressed ? pressed.dataset.mark : 'none', turn.querySelector('textarea').value];
      trigger('select');
    };
    element.addEventListener('click', (event) => {
      const button = event.target.closest('[data-mark]');
      if (!button) return;
      const turn = button.closest('.turn'), why = turn.querySelector('textarea');
      const on = button.getAttribute('aria-pressed') !== 'true';
      for (const one of turn.querySelectorAll('[data-mark]')) one.setAttribute('aria-pressed', on && one === button);
      why.hidden = !on;
      tell(turn);
    });
    element.addEventListener('change', (event) => {
      if (event.target.matches('.marks textarea')) tell(event.target.closest('.turn'));
    });
    element.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing || !event.target.matches('.marks textarea')) return;
      event.preventDefault();
      event.target.blur();
    });
    // A turn of another run may be shown by the same elements, which would keep what was typed into them.
    const turns = new WeakMap();
    const settle = () => {
      for (const why of element.querySelectorAll('.marks textarea')) {
        const turn = why.closest('.turn').textContent;
        if (turns.get(why) !== turn) why.value = why.defaultValue;
        turns.set(why, turn);
      }
    };
    settle();
    watch('value', () => { panel.told = {}; settle(); });
  },

  /* Show pairs one by one over the page, each at once when the one before is marked, and tell all marks so far. */
  judge(element, watch, trigger) {
    const keys = { '1': '1', '2': '2', '0': '0', '１': '1', '２': '2', '０': '0' };
    watch('value', () => {
      const dialog = element.querySelector('dialog');
      if (!dialog) return;
      const pairs = [...dialog.querySelectorAll('article')], marks = [];
      // The same element shows what comes next, and would go on telling of these pairs.
      const over = new AbortController(), listening = { signal: over.signal };
      let told = false;
      const tell = (done) => {
        told = true;
        document.getElementById('bonsai-blind').told = { marks, done };
        trigger('select');
      };
      const show = () => {
        pairs.forEach((pair, place) => { pair.hidden = place !== marks.length; });
        dialog.scrollTop = 0;
      };
      const mark = (key) => {
        if (marks.length === pairs.length) return;
        marks.push(key);
        if (marks.length === pairs.length) dialog.close();
        else { show(); tell(false); }
      };
      dialog.addEventListener('keydown', (event) => {
        if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
        if (keys[event.key]) mark(keys[event.key]);
        else if (event.key === 'Backspace' && marks.length) { marks.pop(); show(); }
        else return;
        event.preventDefault();
      }, listening);
      dialog.addEventListener('click', (event) => {
        const button = event.target.closest('[data-mark]');
        if (button) mark(button.dataset.mark);
        else if (event.target.closest('.end')) dialog.close();
      }, listening);
      dialog.addEventListener('close', () => {
        over.abort();
        if (marks.length || told) tell(true);
      }, listening);
      show();
      dialog.showModal();
    });
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
