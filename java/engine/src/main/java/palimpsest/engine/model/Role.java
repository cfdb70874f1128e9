package palimpsest.engine.model;

/** What a tensor is for, the same word in every model family. */
public enum Role {
  EMBEDDING(false),
  POSITIONS(false),
  /** Which part of its input a token is of (BERT's token types). */
  SEGMENTS(false),
  EMBEDDING_NORM(false),
  ATTENTION_NORM(true),
  /** Query, key and value in one tensor, in that order. */
  QUERY_KEY_VALUE(true),
  QUERY(true),
  KEY(true),
  VALUE(true),
  QUERY_NORM(true),
  KEY_NORM(true),
  ATTENTION_OUTPUT(true),
  POST_ATTENTION_NORM(true),
  FEED_FORWARD_NORM(true),
  GATE(true),
  UP(true),
  DOWN(true),
  POST_FEED_FORWARD_NORM(true),
  FINAL_NORM(false),
  HEAD(false);

  private static final int HEIGHTS_OF_A_BLOCK = 6;

  private final boolean perLayer;

  Role(boolean perLayer) {
    this.perLayer = perLayer;
  }

  /** Whether every layer has one. */
  public boolean perLayer() {
    return perLayer;
  }

  /**
   * How high its place stands in a model, from the embedding's 0 up: what a pass computes first
   * stands lowest, and what stands lower has a gradient through all that stands higher.
   *
   * @param layer 0 where {@link #perLayer} is not so
   */
  public int height(int layer) {
    int inBlock =
        switch (this) {
          case ATTENTION_NORM -> 1;
          case QUERY_KEY_VALUE, QUERY, KEY, VALUE, QUERY_NORM, KEY_NORM -> 2;
          case ATTENTION_OUTPUT, POST_ATTENTION_NORM -> 3;
          case FEED_FORWARD_NORM -> 4;
          case GATE, UP -> 5;
          default -> HEIGHTS_OF_A_BLOCK;
        };
    return switch (this) {
      case EMBEDDING, POSITIONS, SEGMENTS, EMBEDDING_NORM -> 0;
      case FINAL_NORM -> Integer.MAX_VALUE - 1;
      case HEAD -> Integer.MAX_VALUE;
      default -> layer * HEIGHTS_OF_A_BLOCK + inBlock;
    };
  }

  /** Whether it is a matrix product inside a block: what an adapter can be put on. */
  public boolean isLinear() {
    return switch (this) {
      case QUERY_KEY_VALUE, QUERY, KEY, VALUE, ATTENTION_OUTPUT, GATE, UP, DOWN -> true;
      default -> false;
    };
  }
}
