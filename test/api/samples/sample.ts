// What a sample of the CRDs' rules is, and short ways to write the objects of one.
import { pool, shopUser } from '../objects.ts';

export interface Sample {
  /** A part of the API server's message. */
  readonly says: string;
  /** A part of the rule's own message, where `says` is made by an expression. */
  readonly rule?: string;
  /** Path of the fault. */
  readonly at: string;
  readonly refused: object;
  readonly accepted: object;
}

export const host = (name: string) => pool({ postgres: { endpoint: { host: name } } });
export const endpoint = (change: object) => pool({ postgres: { endpoint: change } });
export const users = (...names: string[]) => names.map((name) => ({ ...shopUser, name }));
export const user = (name: string) => pool({ users: users(name) });
export const databases = (...list: object[]) => pool({ databases: list });
export const pooler = (change: object) => pool({ pooler: change });
export const listed = [{ name: 'shop' }];
export const parameter = (name: string, value: string) => pool({ parameters: { [name]: value } });
export const good = parameter('query_timeout', '30');
