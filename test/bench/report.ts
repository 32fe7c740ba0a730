// The figures as lines, each with its target and whether it was reached.

export interface Line {
  readonly text: string;
  /** Absent: nothing to reach. */
  readonly reached?: boolean;
}

export interface Target {
  readonly text: string;
  /** Absent: it is told and not judged. */
  readonly reached?: boolean;
}

export class Report {
  readonly #lines: Line[] = [];

  /** A heading, or something that a reader must know. */
  say(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  figure(name: string, value: string, target: Target = { text: '' }): void {
    const { text: wanted, reached } = target;
    const verdict =
      reached === undefined ? wanted : `${wanted}: ${reached ? 'reached' : 'NOT REACHED'}`;
    const text = `  ${name.padEnd(34)}${value.padEnd(34)}${verdict}`.trimEnd();
    this.#lines.push({ text, ...(reached === undefined ? {} : { reached }) });
    process.stdout.write(`${text}\n`);
  }

  /** Lines whose target was missed. */
  get missed(): readonly string[] {
    return this.#lines.filter((line) => line.reached === false).map((line) => line.text.trim());
  }
}

export function atMost(value: number, limit: number, unit: string) {
  return { text: `at most ${limit} ${unit}`, reached: value <= limit };
}
