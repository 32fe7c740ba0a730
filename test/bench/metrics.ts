// Reads the Prometheus text format, as far as the bench needs it.

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The samples of the metrics named; everything else, most of a page, is skipped unread. */
export function readMetrics(text: string, ...names: string[]): Sample[] {
  return text.split('\n').flatMap((line) => {
    const name = names.find((n) => line.startsWith(`${n}{`) || line.startsWith(`${n} `));
    if (name === undefined) return [];
    const labels: Record<string, string> = {};
    for (const [, key, value] of line.matchAll(/([a-z_]+)="([^"]*)"/g)) {
      if (key !== undefined && value !== undefined) labels[key] = value;
    }
    return [{ name, labels, value: Number(line.slice(line.lastIndexOf(' ') + 1)) }];
  });
}

export function sum(samples: readonly Sample[]): number {
  return samples.reduce((total, s) => total + s.value, 0);
}
