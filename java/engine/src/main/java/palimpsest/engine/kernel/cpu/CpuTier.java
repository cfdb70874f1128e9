package palimpsest.engine.kernel.cpu;

import java.util.Locale;

/**
 * The instruction sets that the CPU kernels are compiled for, from the least to the most demanding;
 * the order is the C interface's.
 */
public enum CpuTier {
  PORTABLE,
  AVX2,
  AVX512,
  AVX512BF16,
  AMX;

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
