import { Forgettings, rememberedMax } from './forgettings.js';

describe('what was forgotten', () => {
  it('concerns what was read before, in that scope, and nothing that was read since or elsewhere', () => {
    const forgettings = new Forgettings();
    const before = forgettings.mark;
    expect(forgettings.intact(['a', 'b'], before)).toBe(true);
    forgettings.forget('a', 'any');
    expect(forgettings.intact(['a', 'b'], before)).toBe(false);
    expect(forgettings.intact(['any'], before)).toBe(false);
    expect(forgettings.intact(['b', 'c'], before)).toBe(true);
    expect(forgettings.intact(['a', 'b'], forgettings.mark)).toBe(true);
  });

  it('is remembered for so many scopes; what is older than the first that had to leave counts as forgotten', () => {
    const forgettings = new Forgettings();
    const oldest = forgettings.mark;
    for (let n = 0; n < rememberedMax - 1; n += 1) forgettings.forget(`scope ${n}`, 'any');
    expect(forgettings.intact(['another'], oldest)).toBe(true);
    forgettings.forget('one more', 'any');
    const recent = forgettings.mark;
    expect(forgettings.intact(['another'], oldest)).toBe(false);
    forgettings.forget('and one more', 'any');
    expect(forgettings.intact(['another'], recent)).toBe(true);
  });
});
