// How many clients are left, in words for conditions: coarse, so that a status changes a few times only.

/** "none", "fewer than 10", "fewer than 100", … */
export function leftInWords(clients: number | undefined): string {
  if (clients === undefined) return 'not counted yet';
  if (clients === 0) return 'no client left';
  const bound = 10 ** (Math.floor(Math.log10(clients)) + 1);
  return `fewer than ${bound} clients left`;
}
