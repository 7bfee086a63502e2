import { readAnswer } from './http-client.js';

const bytes = (...lines: string[]) => Buffer.from(lines.join('\r\n'));

describe('an HTTP answer', () => {
  const whole = bytes('HTTP/1.1 409 Conflict', 'Content-Length: 9', 'X-Request-Id: a:b', '', '{"a":"é"}');

  it('is read with status, lower-cased headers and a body counted in bytes', () => {
    const utf8 = bytes('HTTP/1.1 409 Conflict', 'Content-Length: 10', 'X-Request-Id: a:b', '', '{"a":"é"}');
    expect(readAnswer(utf8)).toEqual({
      status: 409,
      headers: { 'content-length': '10', 'x-request-id': 'a:b' },
      body: '{"a":"é"}',
    });
  });

  it('is not there before its last byte', () => {
    for (let length = 0; length < whole.length - 1; length += 1)
      expect(readAnswer(whole.subarray(0, length))).toBeUndefined();
  });

  it('may have no body', () => {
    expect(readAnswer(bytes('HTTP/1.1 204 No Content', '', ''))).toEqual({ status: 204, headers: {}, body: '' });
  });
});
