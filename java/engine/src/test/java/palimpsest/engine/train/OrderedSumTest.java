package palimpsest.engine.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.TensorArena;

/** Float sums whose bits do not depend on who comes first. */
class OrderedSumTest {
  /** Floats add up differently in another order: 2^25 swallows a 1 that comes after it. */
  @Test
  @Timeout(60)
  void eachPartTakesTheGroupsInTheirOrder() {
    int groups = 12;
    try (TensorArena arena = new TensorArena();
        Workers workers = new Workers(4, "test")) {
      for (int repeat = 0; repeat < 50; repeat++) {
        var total = arena.allocate(DType.F32, 3);
        OrderedSum sum = new OrderedSum(total, 3);
        workers.run((worker, _) -> {
          // Each worker's groups ascend; the last worker starts first as often as not.
          for (int group = worker; group < groups; group += 4) {
            for (int part = 0; part < 3; part++) {
              int p = part;
              float value = group == 6 ? 1 << 25 : 1;
              sum.add(part, group, to -> to.set(p, (float) to.get(p) + value));
            }
          }
        });
        float expected = 6 + (1 << 25);
        for (int part = 0; part < 3; part++) {
          assertEquals(expected, total.get(part), "six before it count, those after it are lost");
        }
      }
    }
  }

  /** Group 1 comes first, and is seen to wait, before group 0 is added. */
  @Test
  @Timeout(60)
  void aGroupThatComesEarlyWaits() throws InterruptedException {
    try (TensorArena arena = new TensorArena()) {
      OrderedSum sum = new OrderedSum(arena.allocate(DType.F32, 1), 1);
      List<Integer> order = Collections.synchronizedList(new ArrayList<>());
      Thread early = new Thread(() -> sum.add(0, 1, _ -> order.add(1)));
      early.start();
      while (early.getState() != Thread.State.WAITING && early.isAlive()) {
        Thread.onSpinWait();
      }
      sum.add(0, 0, _ -> order.add(0));
      early.join();
      assertEquals(List.of(0, 1), order);
    }
  }

  @Test
  @Timeout(60)
  void nobodyWaitsForAGroupThatIsLost() throws InterruptedException {
    try (TensorArena arena = new TensorArena()) {
      OrderedSum sum = new OrderedSum(arena.allocate(DType.F32, 1), 1);
      CountDownLatch ended = new CountDownLatch(1);
      Thread waiting =
          new Thread(() -> {
            assertThrows(IllegalStateException.class, () -> sum.add(0, 1, _ -> {}));
            ended.countDown();
          });
      waiting.start();
      sum.fail();
      assertEquals(true, ended.await(30, TimeUnit.SECONDS));
      assertThrows(IllegalStateException.class, () -> sum.add(0, 0, _ -> {}));
    }
  }
}
