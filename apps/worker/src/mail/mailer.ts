export interface Mail {
  /** The same each time the same mail is sent again; it makes the Message-ID. */
  readonly id: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/**
 * Hands a mail on. Resolves when it has been accepted. Sent again under the same id it is recognisable as the same
 * mail. Throws mail.unavailable where another try may help, mail.refused where none will, and mail.not_tried, with when
 * to come back, where the way is known to be closed: then nothing was sent.
 */
export abstract class Mailer {
  /** A mail that still waits for its turn when `gone` aborts is not sent. */
  abstract send(mail: Mail, gone?: AbortSignal): Promise<void>;
  /** Throws mail.not_tried while the way is known to be closed. */
  abstract check(): Promise<void>;
  abstract close(): void;
}
