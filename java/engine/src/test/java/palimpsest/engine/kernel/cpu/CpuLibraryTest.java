package palimpsest.engine.kernel.cpu;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class CpuLibraryTest {
  @Test
  void theCapOfTheTierMustBeATier() {
    CpuLibrary.requireTier(null);
    CpuLibrary.requireTier("avx2");
    String message =
        assertThrows(IllegalStateException.class, () -> CpuLibrary.requireTier("AVX2"))
            .getMessage();
    assertTrue(message.contains("PALIMPSEST_MAX_TIER is 'AVX2'"), message);
    assertTrue(message.contains("avx512bf16"), message);
  }

  @Test
  void everyTierBelowTheBestIsSupported() {
    CpuLibrary library = CpuLibrary.get();
    for (CpuTier tier : CpuTier.values()) {
      if (tier.compareTo(library.bestTier()) <= 0) {
        assertTrue(library.supports(tier), tier::toString);
      }
    }
    assertTrue(library.supports(CpuTier.PORTABLE));
  }
}
