import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';
import { type Instant, toDate } from '#infra/kernel';

export interface Certificate {
  /** PEM; trust it by naming it as its own authority. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly privateKey: string;
}

export interface CertificatePlan {
  /** DNS names and IPv4 addresses that it stands for; the first one is its common name. */
  readonly names: readonly [string, ...string[]];
  /** Both before 2050. */
  readonly notBefore: Instant;
  readonly notAfter: Instant;
}

const tag = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
  version: 0xa0,
  extensions: 0xa3,
  dnsName: 0x82,
  address: 0x87,
} as const;

const oid = {
  ecdsaWithSha256: '2a8648ce3d040302',
  commonName: '550403',
  basicConstraints: '551d13',
  subjectAltName: '551d11',
} as const;

/** A P-256 certificate (X.509 v3) that signs itself, for servers of a test or of one machine. */
export function selfSignedCertificate({ names, notBefore, notAfter }: CertificatePlan): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = der(tag.sequence, objectId(oid.ecdsaWithSha256));
  const name = der(
    tag.sequence,
    der(tag.set, der(tag.sequence, objectId(oid.commonName), der(tag.utf8, Buffer.from(names[0])))),
  );
  const toBeSigned = der(
    tag.sequence,
    der(tag.version, der(tag.integer, Buffer.of(2))),
    der(tag.integer, Buffer.concat([Buffer.of(1), randomBytes(15)])),
    algorithm,
    name,
    der(tag.sequence, time(notBefore), time(notAfter)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(tag.extensions, der(tag.sequence, authority(), alternatives(names))),
  );
  const signature = sign('sha256', toBeSigned, privateKey);
  return {
    certificate: pem(der(tag.sequence, toBeSigned, algorithm, bitString(signature))),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** Critical: without it, nobody takes the certificate for its own authority. */
const authority = (): Buffer =>
  der(
    tag.sequence,
    objectId(oid.basicConstraints),
    Buffer.of(0x01, 0x01, 0xff),
    der(tag.octetString, der(tag.sequence, Buffer.of(0x01, 0x01, 0xff))),
  );

const alternatives = (names: readonly string[]): Buffer =>
  der(tag.sequence, objectId(oid.subjectAltName), der(tag.octetString, der(tag.sequence, ...names.map(alternative))));

const alternative = (name: string): Buffer =>
  isIP(name) === 4
    ? der(tag.address, Buffer.from(name.split('.').map(Number)))
    : der(tag.dnsName, Buffer.from(name, 'ascii'));

const objectId = (hex: string): Buffer => der(tag.objectId, Buffer.from(hex, 'hex'));

const bitString = (bits: Buffer): Buffer => der(tag.bitString, Buffer.of(0), bits);

/** `YYMMDDhhmmssZ` */
function time(at: Instant): Buffer {
  const text = toDate(at)
    .toISOString()
    .replace(/[-:T]|\.\d+/g, '');
  return der(tag.utcTime, Buffer.from(text.slice(2), 'ascii'));
}

function der(kind: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  return Buffer.concat([Buffer.of(kind), length(body.length), body]);
}

function length(bytes: number): Buffer {
  if (bytes < 0x80) return Buffer.of(bytes);
  return bytes < 0x100 ? Buffer.of(0x81, bytes) : Buffer.of(0x82, bytes >> 8, bytes & 0xff);
}

const pem = (bytes: Buffer): string =>
  `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64').replace(/.{64}(?=.)/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
