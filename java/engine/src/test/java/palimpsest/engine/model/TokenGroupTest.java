package palimpsest.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import palimpsest.engine.tensor.DType;
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
}
