package palimpsest.synth.text;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Finds added tokens in text: leftmost first, the longest of those that start there. */
final class AddedTokens {
  private static final int NO_NODE = -1;

  /** A trie over UTF-8 bytes: (node << 8 | byte) to node; a node's token id or -1. */
  private final Map<Long, Integer> edges = new HashMap<>();

  private final boolean[] starts = new boolean[256];
  private final IntList tokenAtNode = new IntList(64);
  private final int[] tokens;

  AddedTokens(List<AddedToken> added) {
    Map<Integer, Integer> idOfNode = new HashMap<>();
    int nodes = 1;
    for (AddedToken token : added) {
      byte[] bytes = Utf8.encode(token.content());
      starts[bytes[0] & 0xFF] = true;
      int node = 0;
      for (byte b : bytes) {
        Integer child = edges.putIfAbsent(edge(node, b), nodes);
        node = child == null ? nodes++ : child;
      }
      idOfNode.put(node, token.id());
    }
    for (int node = 0; node < nodes; node++) {
      tokenAtNode.add(idOfNode.getOrDefault(node, NO_NODE));
    }
    tokens = tokenAtNode.toArray();
  }

  private static long edge(int node, byte b) {
    return (long) node << 8 | b & 0xFF;
  }

  /** First position at or after {@code from} where a token starts, or {@code text.length}. */
  int next(byte[] text, int from) {
    for (int i = from; i < text.length; i++) {
      if (starts[text[i] & 0xFF] && match(text, i) != 0) {
        return i;
      }
    }
    return text.length;
  }

  /** The longest token at {@code at}: its id in the high half, its length in the low; or 0. */
  long match(byte[] text, int at) {
    long found = 0;
    int node = 0;
    for (int i = at; i < text.length; i++) {
      Integer child = edges.get(edge(node, text[i]));
      if (child == null) {
        break;
      }
      node = child;
      if (tokens[node] != NO_NODE) {
        found = (long) tokens[node] << 32 | i + 1 - at;
      }
    }
    return found;
  }
}
