package palimpsest.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.model.Liveness.Moment;
import palimpsest.engine.model.Liveness.Row;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.GuardedMemory;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

class LivenessTest {
  private static final int ROWS = 48;

  @Test
  void buffersThatAreNeverAliveTogetherHaveTheSameMemory() {
    assumeFalse(GuardedMemory.isGuarded(), "guarded buffers have memory of their own");
    try (TensorArena arena = new TensorArena()) {
      Liveness table = new Liveness(arena);
      Tensor first = table.buffer("first", Moment.UP, Moment.ACTIVATION, DType.F32, 4, 8);
      Tensor after = table.buffer("after", Moment.DOWN, Moment.HEAD, DType.BF16, 8, 8);
      Tensor larger = table.buffer("larger", Moment.D_UP, Moment.D_UP, DType.F32, 4, 9);
      Tensor meeting = table.buffer("meeting", Moment.HEAD, Moment.D_UP, DType.BF16, 2, 2);
      first.fill(1);
      after.fill(2);
      assertEquals(2, after.get(7, 7), "all of a buffer is there");
      assertFalse(first.get(0, 0) == 1, "the second buffer lies in the memory of the first");
      larger.fill(3);
      meeting.fill(4);
      assertEquals(2, after.get(0, 0));
      assertEquals(3, larger.get(0, 0));
      assertEquals(3, table.rows().stream().map(Row::memory).distinct().count());
      assertEquals(4 * 8 * 4 + 4 * 9 * 4 + 2 * 2 * 2, table.bytes());
      assertEquals(table.bytes(), arena.bytes());
    }
  }

  @Test
  void noTwoBuffersThatMeetShareMemory() {
    Moment[] moments = Moment.values();
    for (int seed = 0; seed < 50; seed++) {
      Random random = new Random(seed);
      try (TensorArena arena = new TensorArena()) {
        Liveness table = new Liveness(arena);
        for (int i = 0; i < 40; i++) {
          int from = random.nextInt(moments.length);
          int to = from + random.nextInt(moments.length - from);
          table.buffer("b" + i, moments[from], moments[to], DType.F32, 1 + random.nextInt(30));
        }
        assertNoneMeet(table.rows());
      }
    }
  }

  /** Whatever belongs to a block and is read on the way back outlives the passes of all others. */
  @ParameterizedTest
  @EnumSource(Activations.Purpose.class)
  void aPassHoldsToTheTable(Activations.Purpose purpose) {
    try (Kernels kernels = new ReferenceKernels();
        TensorArena arena = new TensorArena()) {
      DecoderConfig config = TinyModels.llama(true);
      Liveness table = new Activations(config, kernels, ROWS, ROWS, 2, purpose, arena).table();
      assertNoneMeet(table.rows());
      assertEquals(table.bytes(), arena.bytes());
      long kept = table.rows().stream().filter(row -> row.name().equals("normed")).count();
      boolean once =
          purpose == Activations.Purpose.FORWARD || purpose == Activations.Purpose.RECOMPUTE;
      assertEquals(once ? 1 : config.layers(), kept);
      Set<Integer> ofBlocks =
          table.rows().stream()
              .filter(row -> row.from() == Moment.EMBEDDING && row.to() == Moment.AFTER)
              .map(Row::memory)
              .collect(Collectors.toSet());
      table.rows().stream()
          .filter(row -> !(row.from() == Moment.EMBEDDING && row.to() == Moment.AFTER))
          .forEach(row -> assertFalse(ofBlocks.contains(row.memory()), row.name()));
    }
  }

  /** A block's forward moments come again, between those of the way back. */
  @Test
  void whatIsCarriedFromBlockToBlockOutlivesThoseThatAreComputedAgain() {
    try (Kernels kernels = new ReferenceKernels();
        TensorArena arena = new TensorArena()) {
      DecoderConfig config = TinyModels.llama(true);
      Activations.Purpose purpose = Activations.Purpose.RECOMPUTE;
      Liveness table = new Activations(config, kernels, ROWS, ROWS, 0, purpose, arena).table();
      List<Row> carried = table.rows().stream().filter(row -> row.to() == Moment.AFTER).toList();
      assertEquals(3 + config.layers(), carried.size(), "dx, nll, residual and inputs");
      for (Row row : carried) {
        assertEquals(Moment.EMBEDDING, row.from(), row.name());
        assertEquals(Moment.AFTER, row.to(), row.name());
      }
    }
  }

  @Test
  void aForwardPassKeepsLittle() {
    assumeFalse(GuardedMemory.isGuarded(), "guarded buffers have memory of their own");
    try (Kernels kernels = new ReferenceKernels();
        TensorArena arena = new TensorArena()) {
      DecoderConfig config = TinyModels.llama(true);
      Liveness table =
          new Activations(config, kernels, ROWS, ROWS, 0, Activations.Purpose.FORWARD, arena)
              .table();
      long apart = table.rows().stream().mapToLong(Row::bytes).sum();
      assertTrue(3 * table.bytes() < 2 * apart, table.bytes() + " of " + apart);
    }
  }

  private static void assertNoneMeet(List<Row> rows) {
    for (int i = 0; i < rows.size(); i++) {
      for (int j = 0; j < i; j++) {
        Row a = rows.get(i);
        Row b = rows.get(j);
        assertFalse(a.memory() == b.memory() && a.meets(b), a + " and " + b);
      }
    }
  }
}
