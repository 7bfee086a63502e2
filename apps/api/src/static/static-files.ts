import type { ApiConfig } from '../api.config.js';
import { Asset } from './asset.js';

export type StaticConfig = Pick<ApiConfig, 'cdnEnabled' | 'cdnMaxAgeS' | 'staticUrl' | 'compression'>;

export const staticFolder = '/static';
const manifestName = 'manifest.json';
/** Without a CDN in front, whose operator says how long. */
const usualMaxAgeS = 31_536_000;

/** A file as the product knows it. */
export interface SourceFile {
  readonly name: string;
  readonly content: Buffer;
  /** Others point at it by this very name; what is not fixed is served under a name with its hash. */
  readonly fixedName?: true;
}

/**
 * What is served under /static: a table in memory, made when the process begins. Nothing else has an address there,
 * whatever a request says. `manifest.json` tells the address of each file by its own name.
 */
export class StaticFiles {
  /** Of the CDN that addresses lead to; undefined: to this server. */
  readonly origin: string | undefined;
  readonly #byName = new Map<string, Asset>();
  readonly #bySource = new Map<string, Asset>();
  readonly #forEver: string;

  constructor(
    sources: readonly SourceFile[],
    readonly config: StaticConfig,
  ) {
    this.origin = config.cdnEnabled ? config.staticUrl : undefined;
    this.#forEver = `public, max-age=${config.cdnEnabled ? config.cdnMaxAgeS : usualMaxAgeS}, immutable`;
    for (const source of sources) this.#add(source);
    const manifest = Object.fromEntries(sources.map(({ name }) => [name, this.addressOf(name)]));
    this.#add({ name: manifestName, content: Buffer.from(JSON.stringify(manifest)), fixedName: true });
  }

  /** The names under /static. */
  get names(): readonly string[] {
    return [...this.#byName.keys()];
  }

  find(name: string): Asset | undefined {
    return this.#byName.get(name);
  }

  addressOf(source: string): string {
    return `${this.origin ?? ''}${staticFolder}/${this.#of(source).name}`;
  }

  integrityOf(source: string): string {
    return this.#of(source).integrity;
  }

  cacheControlOf({ isHashed }: Asset): string {
    return isHashed ? this.#forEver : 'no-cache';
  }

  #of(source: string): Asset {
    const asset = this.#bySource.get(source);
    if (!asset) throw new Error(`${source} is none of the static files`);
    return asset;
  }

  #add({ name, content, fixedName }: SourceFile): void {
    const asset = fixedName ? new Asset(name, content) : Asset.hashed(name, content);
    this.#byName.set(asset.name, asset);
    this.#bySource.set(name, asset);
  }
}
