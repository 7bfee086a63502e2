import { newSource } from './house/books.js';
import { doJobs } from './house/jobs.js';
import { Api, makeSide, type Side } from './house/world.js';
import { Client, type Told } from './reconciliation-client.js';

export const usd = (amountMinor: number) => ({ amountMinor, currency: 'USD' });

/** The API behind a socket, a tenant of it, and the short ways through reconciliation. */
export class Bench {
  private constructor(
    readonly api: Api,
    readonly side: Side,
    readonly client: Client,
  ) {}

  static async open(): Promise<Bench> {
    const api = await Api.start({ ENABLE_RATE_LIMITING: 'false' });
    const side = await makeSide(api, 'shard-1');
    return new Bench(api, side, await Client.of(api, side.owner.token));
  }

  async newSourceId(currency = 'USD'): Promise<string> {
    const { status, json } = await this.client.post('sources', newSource(undefined, currency));
    expect([status, json.code]).toEqual([201, expect.any(String)]);
    return json.id;
  }

  /** Sent, and what became of it when its job was done. */
  async taken(sourceId: string, csv: string): Promise<Told['json']> {
    const { status, json } = await this.client.upload(sourceId, csv);
    expect([status, json.status]).toEqual([202, 'received']);
    await this.doOneJob();
    return (await this.client.get(`statements/${json.id}`)).json;
  }

  async doOneJob(): Promise<void> {
    expect(await doJobs(this.api, this.side)).toEqual(['done']);
  }

  async jobs(): Promise<number> {
    const sql = `select from outbox where kind = 'job' and name like 'reconciliation.%'`;
    return (await this.api.db.asAdmin('shard-1', sql)).length;
  }

  stop = (): Promise<void> => this.api.stop();
}
