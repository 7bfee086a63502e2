export interface Mail {
  /** The same each time the same mail is sent again; it makes the Message-ID. */
  readonly id: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/**
 * Hands a mail on. Resolves when it has been accepted. Sent again under the same id it is recognisable as the same
 * mail. Throws mail.unavailable where another try may help and mail.refused where none will.
 */
export abstract class Mailer {
  abstract send(mail: Mail): Promise<void>;
  abstract close(): void;
}
