import { parseConfig } from '#infra/config';
import { apiConfig } from '../src/api.config.js';

const read = (environment: Record<string, string> = {}) => parseConfig({ api: apiConfig }, environment).api;

describe('what the API reads from the environment', () => {
  it('listens on 3000, believes no proxy but one on this machine, and lets no origin in', () => {
    expect(read()).toEqual({
      port: 3_000,
      host: '0.0.0.0',
      corsOrigins: [],
      publicMaxAgeS: 3_600,
      cdnEnabled: true,
      cdnMaxAgeS: 31_536_000,
      staticUrl: undefined,
      trustedProxies: ['127.0.0.1/32', '::1/128'],
      requestsRunningMax: 100,
      requestsWaitingMax: 2_000,
      requestWaitMaxMs: 30_000,
      compression: true,
    });
  });

  it('takes lists of origins and of networks', () => {
    const { corsOrigins, trustedProxies } = read({
      CORS_ORIGINS: 'https://clinic.example, http://localhost:4200',
      TRUSTED_PROXIES: '10.0.0.0/8,2001:db8::/32,192.0.2.1',
    });
    expect(corsOrigins).toEqual(['https://clinic.example', 'http://localhost:4200']);
    expect(trustedProxies).toEqual(['10.0.0.0/8', '2001:db8::/32', '192.0.2.1']);
  });

  it.each(['999.1.1.1', '10.0.0.0/33', '::1/129', '10.0.0.0/8/8', 'proxy', '10.0.0.0/'])(
    'TRUSTED_PROXIES does not take %s',
    (given) => {
      expect(() => read({ TRUSTED_PROXIES: given })).toThrow('TRUSTED_PROXIES must hold addresses or CIDRs');
    },
  );
});
