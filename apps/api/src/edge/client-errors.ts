import type { Socket } from 'node:net';
import type { Log } from '#infra/telemetry';
import { fail } from './edge.errors.js';
import { problemMediaType, refusalOf, titleOf } from './problem.js';
import { newRequestId } from './request-id.js';
import { securityHeaders } from './security-headers.js';

/** Bytes on a socket that never became a request, or did not in time: Node hands over the bare socket. */
export function answerClientError(log: Log) {
  return (error: NodeJS.ErrnoException, socket: Socket): void => {
    if (socket.destroyed || error.code === 'ECONNRESET') return void socket.destroy();
    const requestId = newRequestId();
    const { problem } = refusalOf(causeOf(error), requestId);
    log.info('request.unreadable', { requestId, status: problem.status, code: problem.code });
    const body = JSON.stringify(problem);
    const headers = { ...securityHeaders, 'x-request-id': requestId, 'content-type': problemMediaType };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const start = `HTTP/1.1 ${problem.status} ${titleOf(problem.status)}\r\n${lines.join('')}`;
    if (socket.writable)
      socket.write(`${start}content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`);
    socket.destroySoon();
  };
}

function causeOf({ code }: NodeJS.ErrnoException): unknown {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return fail('request.body_too_slow');
  if (code === 'HPE_HEADER_OVERFLOW') return fail('request.headers_too_large');
  return fail('request.malformed');
}
