package palimpsest.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class PiecesTest {
  private static final String SECRET = "the patient of room 12";

  @Test
  void everyPieceOfEightIsFoundAndNoneOfSeven() {
    Pieces pieces = new Pieces(List.of("short", SECRET));
    for (int i = 0; i + 8 <= SECRET.length(); i++) {
      String piece = SECRET.substring(i, i + 8);
      assertTrue(pieces.in(piece) && pieces.in("x\u00e4" + piece + "\n"), piece);
      assertFalse(pieces.in(piece.substring(1)), piece);
      assertFalse(pieces.in(piece.substring(0, 7) + '\u00e4' + piece.substring(7)), piece);
      assertFalse(pieces.in(piece.substring(0, 7) + '\0' + piece.substring(7)), piece);
    }
  }

  @Test
  void agreesWithASearchForEachPiece() {
    SplittableRandom random = new SplittableRandom(1);
    List<String> secrets = IntStream.range(0, 5).mapToObj(_ -> text(random, 30)).toList();
    Pieces pieces = new Pieces(secrets);
    int found = 0;
    for (int i = 0; i < 20_000; i++) {
      String shown = text(random, 60);
      boolean there =
          secrets.stream()
              .flatMap(s -> IntStream.rangeClosed(0, 22).mapToObj(j -> s.substring(j, j + 8)))
              .anyMatch(shown::contains);
      assertEquals(there, pieces.in(shown));
      found += there ? 1 : 0;
    }
    assertTrue(found > 100, "both answers must occur: " + found);
  }

  @Test
  void whatCannotBeLookedForIsRefused() {
    assertThrows(
        IllegalArgumentException.class, () -> new Pieces(List.of("Gr\u00fc\u00dfe aus K")));
  }

  /** Of three letters, so that pieces occur by chance. */
  private static String text(SplittableRandom random, int length) {
    return random.ints(length, 'a', 'd').mapToObj(Character::toString).reduce("", String::concat);
  }
}
