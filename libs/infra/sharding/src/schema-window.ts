/** The schemas that this build works with. Versions are the 13 digits that end a migration's name; both ends are included. */
export interface SchemaWindow {
  readonly min: number;
  readonly max: number;
}

export interface SchemaWindows {
  readonly directory: SchemaWindow;
  readonly shard: SchemaWindow;
}
