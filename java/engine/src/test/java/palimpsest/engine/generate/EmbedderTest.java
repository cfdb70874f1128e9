package palimpsest.engine.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.model.Encoder;
import palimpsest.engine.model.EncoderFolder;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.testing.TinyModels;

class EmbedderTest {
  private static final int LONGEST = 40;
  @TempDir Path folder;

  private static float[][] embed(
      Encoder encoder, int workers, int rows, int examples, List<int[]> texts) {
    try (TensorArena arena = new TensorArena();
        Workers threads = new Workers(workers, "test")) {
      return new Embedder(encoder, threads, rows, examples, arena).embed(texts);
    }
  }

  /** One text at a time is what the others are held to. */
  @Test
  void aTextHasTheSameVectorWhateverIsEmbeddedWithIt() {
    SplittableRandom random = new SplittableRandom(3);
    List<int[]> texts = new ArrayList<>();
    for (int i = 0; i < 37; i++) {
      texts.add(random.ints(1 + random.nextInt(LONGEST), 0, 67).toArray());
    }
    try (EncoderFolder model = TinyModels.write(TinyModels.bert(), folder.resolve("model"));
        Kernels kernels = new CpuKernels(DType.BF16);
        Encoder encoder = new Encoder(model, kernels, false, LONGEST)) {
      float[][] together = embed(encoder, 3, 90, 8, texts);
      for (int i = 0; i < texts.size(); i++) {
        float[] alone = embed(encoder, 1, LONGEST, 1, texts.subList(i, i + 1))[0];
        assertArrayEquals(alone, together[i]);
        double square = 0;
        for (float x : alone) {
          square += (double) x * x;
        }
        assertEquals(1, square, 1e-5);
      }
      assertEquals(0, embed(encoder, 2, LONGEST, 4, List.of()).length);
      assertThrows(
          IllegalArgumentException.class,
          () -> embed(encoder, 1, LONGEST - 1, 4, List.of(new int[LONGEST])));
    }
  }
}
