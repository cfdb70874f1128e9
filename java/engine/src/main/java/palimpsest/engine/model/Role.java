package palimpsest.engine.model;

/** What a tensor is for, the same word in every model family. */
public enum Role {
  EMBEDDING(false),
  POSITIONS(false),
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

  private final boolean perLayer;

  Role(boolean perLayer) {
    this.perLayer = perLayer;
  }

  /** Whether every layer has one. */
  public boolean perLayer() {
    return perLayer;
  }

  /** Whether it is a matrix product inside a block: what an adapter can be put on. */
  public boolean isLinear() {
    return switch (this) {
      case QUERY_KEY_VALUE, QUERY, KEY, VALUE, ATTENTION_OUTPUT, GATE, UP, DOWN -> true;
      default -> false;
    };
  }
}
