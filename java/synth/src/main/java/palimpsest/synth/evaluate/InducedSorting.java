package palimpsest.synth.evaluate;

import java.util.Arrays;

/**
 * Suffix arrays in time and memory linear in the text: SA-IS (Nong, Zhang and Chan, "Linear suffix
 * array construction by almost pure induced-sorting", DCC 2009). A suffix is of type S if it is
 * smaller than the one that begins one place later, else of type L; one of type S right after one
 * of type L is leftmost S (LMS). The order of the LMS suffixes induces that of all others. It comes
 * from the same algorithm on a text of at most half the length, whose letters name the substrings
 * from one LMS place to the next.
 */
final class InducedSorting {
  private static final int EMPTY = -1;

  private final int[] text;

  /** Where the suffixes that begin with a letter begin in the order; one more than letters. */
  private final int[] starts;

  private final boolean[] typeS;
  private final int[] order;

  private InducedSorting(int[] text, int alphabet) {
    this.text = text;
    starts = new int[alphabet + 1];
    typeS = new boolean[text.length];
    order = new int[text.length];
    // The end counts as smaller than any letter, so the last suffix is of type L.
    for (int i = text.length - 1; i >= 0; i--) {
      starts[text[i] + 1]++;
      typeS[i] =
          i + 1 < text.length && (text[i] == text[i + 1] ? typeS[i + 1] : text[i] < text[i + 1]);
    }
    for (int letter = 0; letter < alphabet; letter++) {
      starts[letter + 1] += starts[letter];
    }
  }

  /**
   * Sorts the suffixes of a text; one that begins another is the smaller.
   *
   * @param text n letters in [0, alphabet)
   * @param alphabet how many letters there are
   * @return the n places where suffixes begin, the smallest suffix first
   */
  static int[] suffixes(int[] text, int alphabet) {
    return text.length == 0 ? new int[0] : new InducedSorting(text, alphabet).sorted();
  }

  private int[] sorted() {
    int[] lms = lmsPlaces();
    induce(lms);
    if (lms.length > 1) {
      int[] rank = suffixes(names(lms), lms.length);
      for (int i = 0; i < rank.length; i++) {
        rank[i] = lms[rank[i]];
      }
      induce(rank);
    }
    return order;
  }

  private boolean isLms(int place) {
    return place > 0 && typeS[place] && !typeS[place - 1];
  }

  private int[] lmsPlaces() {
    int count = 0;
    for (int i = 0; i < text.length; i++) {
      count += isLms(i) ? 1 : 0;
    }
    int[] places = new int[count];
    for (int i = text.length - 1; i >= 0; i--) {
      if (isLms(i)) {
        places[--count] = i;
      }
    }
    return places;
  }

  /**
   * Puts all suffixes in the order that follows from that of the LMS ones. If these are in the
   * order of the text, the substrings from one LMS place to the next come out in order.
   */
  private void induce(int[] lms) {
    Arrays.fill(order, EMPTY);
    int[] edge = Arrays.copyOfRange(starts, 1, starts.length);
    for (int i = lms.length - 1; i >= 0; i--) {
      order[--edge[text[lms[i]]]] = lms[i];
    }
    edge = starts.clone();
    int last = text.length - 1;
    order[edge[text[last]]++] = last;
    for (int i = 0; i < order.length; i++) {
      int before = order[i] - 1;
      if (before >= 0 && !typeS[before]) {
        order[edge[text[before]]++] = before;
      }
    }
    edge = Arrays.copyOfRange(starts, 1, starts.length);
    for (int i = last; i >= 0; i--) {
      int before = order[i] - 1;
      if (before >= 0 && typeS[before]) {
        order[--edge[text[before]]] = before;
      }
    }
  }

  /** A number for each LMS substring, in the order of the text: equal ones have equal numbers. */
  private int[] names(int[] lms) {
    // Two LMS places are never neighbours, so half the place tells them apart.
    int[] index = new int[text.length / 2 + 1];
    for (int i = 0; i < lms.length; i++) {
      index[lms[i] / 2] = i;
    }
    int[] names = new int[lms.length];
    int name = 0;
    int before = EMPTY;
    for (int place : order) {
      if (isLms(place)) {
        int current = index[place / 2];
        if (before != EMPTY && !sameSubstring(lms, before, current)) {
          name++;
        }
        names[current] = name;
        before = current;
      }
    }
    return names;
  }

  /** The last substring ends with the text and equals no other. */
  private boolean sameSubstring(int[] lms, int a, int b) {
    int last = lms.length - 1;
    return a != last
        && b != last
        && Arrays.equals(text, lms[a], lms[a + 1] + 1, text, lms[b], lms[b + 1] + 1);
  }
}
