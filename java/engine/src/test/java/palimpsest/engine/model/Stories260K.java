package palimpsest.engine.model;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import palimpsest.engine.kernel.Activation;
import palimpsest.engine.model.DecoderConfig.AttentionOptions;
import palimpsest.engine.model.DecoderConfig.FeedForwardOptions;
import palimpsest.engine.model.DecoderConfig.NormKind;
import palimpsest.engine.model.DecoderConfig.NormOptions;
import palimpsest.engine.model.DecoderConfig.PositionOptions;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * A trained Llama of 260 thousand parameters from llama2.c's version-0 file, as a model folder.
 * llama2.c rotates neighbouring numbers of a head; the rows of query and key are put into the
 * half-split order that the engine rotates.
 */
public final class Stories260K {
  private static final List<Role> ORDER =
      List.of(
          Role.ATTENTION_NORM,
          Role.QUERY,
          Role.KEY,
          Role.VALUE,
          Role.ATTENTION_OUTPUT,
          Role.FEED_FORWARD_NORM,
          Role.GATE,
          Role.DOWN,
          Role.UP);

  private Stories260K() {}

  /** Converts the .bin file to a folder that must not exist yet. */
  public static void convert(Path bin, Path folder) {
    try (TensorArena arena = new TensorArena()) {
      ByteBuffer file = ByteBuffer.wrap(Files.readAllBytes(bin)).order(ByteOrder.LITTLE_ENDIAN);
      DecoderConfig config = config(file);
      Tensor embedding = take(file, arena, config.vocabularySize(), config.width());
      Map<Role, Tensor> stacked = new EnumMap<>(Role.class);
      for (Role role : ORDER) {
        long[] shape = shape(config, role);
        stacked.put(role, take(file, arena, config.layers() * shape[0], shape[1]));
      }
      Tensor finalNorm = take(file, arena, 1, config.width());
      ModelFolder.write(
          folder,
          config,
          (role, layer, bias) ->
              switch (role) {
                case EMBEDDING -> embedding;
                case FINAL_NORM -> finalNorm;
                case QUERY, KEY -> halfSplit(layer(stacked, config, role, layer), config, arena);
                default -> layer(stacked, config, role, layer);
              },
          Optional.empty());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static DecoderConfig config(ByteBuffer file) {
    int width = file.getInt();
    int hidden = file.getInt();
    int layers = file.getInt();
    int heads = file.getInt();
    int kvHeads = file.getInt();
    int vocabulary = file.getInt();
    int context = file.getInt();
    int headDim = width / heads;
    return new DecoderConfig(
        "llama",
        vocabulary,
        context,
        layers,
        width,
        new AttentionOptions(
            heads,
            kvHeads,
            headDim,
            1 / Math.sqrt(headDim),
            false,
            false,
            false,
            false,
            Collections.nCopies(layers, 0)),
        new FeedForwardOptions(hidden, Activation.Kind.SILU_GATED, false),
        new NormOptions(NormKind.RMSNORM, 1e-5, false, false),
        PositionOptions.rope(1e4, headDim),
        true,
        false,
        1,
        OptionalInt.of(1),
        List.of(2));
  }

  private static long[] shape(DecoderConfig config, Role role) {
    long[] shape =
        TensorNames.of(config).slots().stream()
            .filter(slot -> slot.role() == role)
            .findFirst()
            .orElseThrow()
            .shape();
    return shape.length == 2 ? shape : new long[] {1, shape[0]};
  }

  private static Tensor take(ByteBuffer file, TensorArena arena, long rows, long cols) {
    Tensor tensor = arena.allocate(DType.F32, rows, cols);
    for (long i = 0; i < tensor.size(); i++) {
      tensor.set(i, file.getFloat());
    }
    return tensor;
  }

  private static Tensor layer(
      Map<Role, Tensor> stacked, DecoderConfig config, Role role, int layer) {
    long rows = shape(config, role)[0];
    return stacked.get(role).rows(layer * rows, rows);
  }

  private static Tensor halfSplit(Tensor pairs, DecoderConfig config, TensorArena arena) {
    int headDim = config.attention().headDim();
    Tensor halves = arena.allocate(DType.F32, pairs.rows(), pairs.cols());
    for (long row = 0; row < pairs.rows(); row++) {
      long head = row / headDim;
      long at = row % headDim;
      long to = head * headDim + at % 2 * (headDim / 2) + at / 2;
      halves.rows(to, 1).copyFrom(pairs.rows(row, 1));
    }
    return halves;
  }
}
