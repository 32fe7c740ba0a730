// Names in a message for people.

/** So many are named at most, so that a message stays readable. */
const NAMED = 5;

/** "a, b", or the first few and how many there are more. */
export function some(names: readonly string[]): string {
  const more = names.length - NAMED;
  return names.slice(0, NAMED).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
