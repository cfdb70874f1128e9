package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import palimpsest.testing.Shared;

class NaiveBayesTest {

  /** By hand: features a, b, "a b" of x and c of y; 4 known features; 3 and 1 seen. */
  @Test
  void logJointByHand() {
    NaiveBayes judge = NaiveBayes.train(List.of("a b", "C", "c"), List.of("x", "y", "y"));
    assertEquals(List.of("x", "y"), judge.labels());
    // Training saw "c" twice, so y has 2 features seen in all.
    double x = Math.log(1 / 3.0) + Math.log(2 / 7.0) + Math.log(1 / 7.0);
    double y = Math.log(2 / 3.0) + Math.log(1 / 6.0) + Math.log(3 / 6.0);
    assertArrayEquals(new double[] {x, y}, judge.logJoint("A unseen c"), 1e-12);
    assertEquals("x", judge.predict("a b"));
    assertEquals("y", judge.predict("c"));
    assertEquals("y", judge.predict("nothing known"));
  }

  @Test
  void pairsOfWordsTell() {
    NaiveBayes judge =
        NaiveBayes.train(
            List.of("good not bad", "bad not good", "good not bad", "bad not good"),
            List.of("up", "down", "up", "down"));
    assertEquals("up", judge.predict("not bad good"));
    assertEquals("down", judge.predict("not good bad"));
  }

  @Test
  void accuracyCounts() {
    NaiveBayes judge = NaiveBayes.train(List.of("a", "b"), List.of("x", "y"));
    assertEquals(
        new Proportion(2, 3), judge.accuracy(List.of("a", "b", "b"), List.of("x", "y", "x")));
  }

  @Test
  void rejectsWhatItCannotTrainOn() {
    assertThrows(IllegalArgumentException.class, () -> NaiveBayes.train(List.of(), List.of()));
    IllegalArgumentException thrown =
        assertThrows(
            IllegalArgumentException.class,
            () -> NaiveBayes.train(List.of("private text"), List.of()));
    assertTrue(thrown.getMessage().contains("1 texts, 0 labels"));
  }

  /** TREC questions, six coarse labels: such a judge is known to get about 80 % right. */
  @Test
  void trecQuestions() {
    List<String[]> train = new ArrayList<>(trec("data/labelled/trec/TREC.train.txt.gz"));
    List<String[]> test = trec("data/labelled/trec/TREC.test.txt.gz");
    assertEquals(5452, train.size());
    assertEquals(500, test.size());
    double full = accuracy(train, test);
    assertTrue(full > 0.79 && full < 0.84, "5,452 questions: " + full);
    double sum = 0;
    Random random = new Random(11);
    for (int i = 0; i < 5; i++) {
      Collections.shuffle(train, random);
      sum += accuracy(train.subList(0, 3452), test);
    }
    assertTrue(sum / 5 > 0.775 && sum / 5 < 0.825, "3,452 questions: " + sum / 5);
  }

  private static double accuracy(List<String[]> train, List<String[]> test) {
    return NaiveBayes.train(column(train, 1), column(train, 0))
        .accuracy(column(test, 1), column(test, 0))
        .value();
  }

  private static List<String> column(List<String[]> rows, int column) {
    return rows.stream().map(row -> row[column]).toList();
  }

  /** Rows of coarse label and question; the files hold a few bytes of Latin-1. */
  private static List<String[]> trec(String file) {
    return new String(Shared.bytes(file), StandardCharsets.ISO_8859_1)
        .lines()
        .map(line ->
            new String[] {
              line.substring(0, line.indexOf(':')), line.substring(line.indexOf(' ') + 1)
            })
        .toList();
  }
}
