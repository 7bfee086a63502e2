import type { INestApplicationContext } from '@nestjs/common';
import { type Demographics, RegistrationService } from '#domain/patients';
import { isAppError, type TenantContext } from '#infra/kernel';
import type { LocalDate } from '#infra/time';

const person = (
  given: string,
  family: string,
  birthDate: string,
  more: Partial<Omit<Demographics, 'birthDate'>> = {},
): Demographics => ({
  family,
  given,
  birthDate: birthDate as LocalDate,
  sex: 'unknown',
  phone: null,
  email: null,
  address: null,
  ...more,
});

/** Nobody who lives: the telephone numbers are of those that are kept for stories. */
const patients: readonly Demographics[] = [
  person('Robin', 'Example', '1988-04-12', { phone: '+1 604 555 0100', email: 'robin@example.com' }),
  person('Zoë', 'Marchetti', '1992-11-03', { sex: 'female', phone: '+1 604 555 0101' }),
  person('Kwame', 'Mensah-Boateng', '1979-07-30', { sex: 'male', phone: '+1 604 555 0102' }),
  person('Anneliese', 'Müller', '1965-02-17', { sex: 'female', phone: '+1 604 555 0103' }),
  person('Hana', "O'Sullivan", '2001-09-21', { phone: '+1 604 555 0104' }),
];

/** Whoever is registered already stays as they are. */
export async function seedPatients(product: INestApplicationContext, ctx: TenantContext): Promise<void> {
  for (const one of patients) {
    try {
      await product.get(RegistrationService).create(ctx, one, { force: false });
    } catch (error) {
      if (!isAppError(error, 'patient.possible_duplicate')) throw error;
    }
  }
}
