/** By the names of postgresql.conf. */
export type PostgresSettings = Readonly<Record<string, string>>;

/** `durable`: what is acknowledged survives a crash. `fast`: for data that is thrown away. */
export type Durability = 'durable' | 'fast';

/**
 * Settings of every local server. Logical replication is on from the first start, because a tenant's move needs it;
 * parameters and details of rows stay out of the log, because they are personal data.
 */
export function postgresSettings(port: number, durability: Durability, further: PostgresSettings = {}): string {
  const lines = Object.entries(further).map(([name, value]) => `${name} = '${value}'\n`);
  const sync = durability === 'durable' ? 'on' : 'off';
  return `# Written at each start.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
port = ${port}
max_connections = 200
password_encryption = 'scram-sha-256'
shared_buffers = '64MB'
max_wal_size = '512MB'

wal_level = logical
max_replication_slots = 24
max_wal_senders = 24
max_worker_processes = 24
max_logical_replication_workers = 12
max_sync_workers_per_subscription = 4
max_slot_wal_keep_size = '2GB'
hot_standby = on

fsync = ${sync}
synchronous_commit = ${sync}
full_page_writes = ${sync}

timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%a '
log_lock_waits = on
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_error_verbosity = terse
${lines.join('')}`;
}
