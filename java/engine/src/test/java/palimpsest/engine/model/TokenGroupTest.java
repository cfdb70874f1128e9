package palimpsest.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/** Which predictions of an example count. */
class TokenGroupTest {
  private final TensorArena arena = new TensorArena();
  private final TokenGroup group = new TokenGroup(32, 4, DType.F64, arena);

  @AfterEach
  void free() {
    arena.close();
  }

  /** Targets of the weighted rows of an example. */
  private int[] targets(int example) {
    int first = group.headStart(example);
    int[] targets = new int[group.headStart(example + 1) - first];
    for (int i = 0; i < targets.length; i++) {
      targets[i] = (int) group.headTargets(first, targets.length).get(i);
      assertEquals(1.0 / targets.length, group.headWeights(first, targets.length).get(i));
    }
    return targets;
  }

  @Test
  void thePrefixIsReadAndNotLearned() {
    group.add(new int[] {1, 2, 3, 10, 11, 12}, 3);
    group.add(new int[] {4, 20, 21}, 0);
    group.add(new int[] {5, 6}, 2);
    assertArrayEquals(new int[] {10, 11, 12}, targets(0));
    assertArrayEquals(new int[] {20, 21}, targets(1));
    assertArrayEquals(new int[0], targets(2));
    assertEquals(5 + 2 + 1, group.rows());
    assertEquals(5, group.weightedRows());
  }

  /** Virtual tokens are read first, at the first positions, and nothing else moves. */
  @Test
  void aPromptStandsInFrontAndIsNeverATarget() {
    TokenGroup prompted = new TokenGroup(32, 4, new int[] {70, 71, 72}, DType.F64, arena);
    prompted.add(new int[] {1, 2, 10, 11}, 2);
    prompted.add(new int[] {9}, 0);
    prompted.add(new int[] {4, 20}, 0);
    assertArrayEquals(new int[] {70, 71, 72, 1, 2, 10, 70, 71, 72, 4}, ints(prompted.ids()));
    assertArrayEquals(new int[] {0, 1, 2, 3, 4, 5, 0, 1, 2, 3}, ints(prompted.positions()));
    assertArrayEquals(new int[] {10, 11, 20}, ints(prompted.headTargets(0, 3)));
    assertArrayEquals(
        new int[] {4, 5, 9},
        new int[] {prompted.headRow(0), prompted.headRow(1), prompted.headRow(2)});
    assertEquals(3, prompted.weightedRows());
    assertEquals(6, prompted.rowStart(1));
    assertEquals(6, prompted.rowStart(2));
  }

  private static int[] ints(Tensor tensor) {
    return IntStream.range(0, (int) tensor.size()).map(i -> (int) tensor.get(i)).toArray();
  }
}
