package palimpsest.synth;

import palimpsest.engine.generate.UniformSource;
import palimpsest.privacy.ChaCha20;
import palimpsest.privacy.Purpose;
import palimpsest.privacy.SecretKey;

/**
 * Secret random numbers by place, for one purpose.
 *
 * @param key must be open as long as numbers are taken
 */
record Uniforms(SecretKey key, Purpose purpose) implements UniformSource {
  /** The first 53 bits of a block of its own. */
  @Override
  public double at(int index, int position) {
    int[] words = new int[ChaCha20.BLOCK_WORDS];
    ChaCha20.blocks(key, purpose, index, position, 1, words);
    return ((words[0] & 0xffffffffL) << 21 | words[1] >>> 11) * 0x1p-53;
  }

  /** A whole number from 0 to {@code bound} - 1. */
  int at(int index, int position, int bound) {
    return (int) (at(index, position) * bound);
  }
}
