"""The proxy that the environment names for a server: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, in either case."""

import contextlib
import urllib.request
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import httpx

from bonsai.errors import SettingError, first_line


def proxy_for(url: httpx.URL) -> httpx.Proxy | None:
    """Return the proxy that the environment names for an address; raise SettingError if it cannot be used.

    None for an address of this machine, which a proxy elsewhere cannot reach, and for one that NO_PROXY names.
    """
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or _is_this_machine(url.host) or _is_excepted(url, proxies.get("no", "")):
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    kind = proxy.partition("://")[0].lower()
    if kind not in ("http", "https"):
        raise SettingError(
            f"The environment names a proxy for {url.host} ({kind}), and only HTTP proxies can be used. Set NO_PROXY "
            f"to {url.host}, or unset {'ALL_PROXY' if 'all' in proxies else f'{url.scheme.upper()}_PROXY'}."
        )
    try:
        return httpx.Proxy(proxy)
    except (httpx.InvalidURL, ValueError) as error:
        raise SettingError(f"The proxy of the environment cannot be used: {first_line(error)}.") from error


def _is_this_machine(host: str) -> bool:
    with contextlib.suppress(ValueError):
        address = ip_address(host)
        return address.is_loopback or address.is_unspecified
    return host == "localhost" or host.endswith(".localhost")


def _is_excepted(url: httpx.URL, names: str) -> bool:
    """Say whether NO_PROXY names a host, by its name, with its port, by a domain, or by a network as 10.0.0.0/8."""
    if urllib.request.proxy_bypass(f"{url.host}:{url.port}" if url.port else url.host):
        return True
    with contextlib.suppress(ValueError):
        address = ip_address(url.host)
        return any(address in network for network in _networks(names))
    return False


def _networks(names: str) -> list[IPv4Network | IPv6Network]:
    found = []
    for name in names.split(","):
        with contextlib.suppress(ValueError):
            found.append(ip_network(name.strip(), strict=False))
    return found
