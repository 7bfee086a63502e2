/** Days of visits and of takings are counted and added up from these alone. */
export class Figures1795219200012 {
  readonly indexes = [
    {
      name: 'appointment_by_day',
      table: 'appointment',
      definition: '(tenant_id, local_start, location_id) include (service_id, status, duration_min)',
    },
    {
      name: 'recon_record_by_day',
      table: 'recon_record',
      definition: '(tenant_id, source_id, business_date, id) include (currency, amount_minor)',
    },
  ];
}
