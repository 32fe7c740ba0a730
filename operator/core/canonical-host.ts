// One spelling for every host, because hosts are told apart by their text: a server that is spelled in two ways would
// have two budgets, and twice its connections.

/**
 * The host of an endpoint in the one form that all spellings of it have: a DNS name in lower case and without the dot
 * at its end, an IPv6 address as in RFC 5952 section 4, an IPv4-mapped one (RFC 4291 section 2.5.5.2) as the IPv4
 * address that it connects to. Total: what is no host comes back in lower case. The form of a form is that form.
 */
export function canonicalHost(host: string): string {
  const url = `http://[${host}]`;
  const isIPv6 = /^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(host) && URL.canParse(url);
  if (!isIPv6) return host.toLowerCase().replace(/\.$/, '');
  // The serializer of the URL standard is that of RFC 5952.
  const address = new URL(url).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address);
  if (mapped === null) return address;
  return mapped
    .slice(1)
    .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255])
    .join('.');
}
