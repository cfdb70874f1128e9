package palimpsest.synth.report;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/** A part of a report's section. Nothing in it is markup: whatever it holds is shown as text. */
public sealed interface Block {
  /** Paragraphs. */
  record Prose(List<String> paragraphs) implements Block {
    public Prose {
      paragraphs = List.copyOf(paragraphs);
    }
  }

  /** A list. */
  record Items(List<String> items) implements Block {
    public Items {
      items = List.copyOf(items);
    }
  }

  /** Names with their values, in order. */
  record Facts(Map<String, String> facts) implements Block {
    public Facts {
      facts = new LinkedHashMap<>(facts);
    }
  }

  /**
   * Bars under each other over one scale.
   *
   * @param caption what they measure
   * @param most what a bar across the whole width means
   */
  record Bars(String caption, double most, List<Bar> bars) implements Block {
    public Bars {
      if (!(most > 0)) {
        throw new IllegalArgumentException("a scale up to " + most);
      }
      bars = List.copyOf(bars);
    }
  }

  /**
   * One bar.
   *
   * @param value 0 or more
   * @param lower end of the interval that is drawn across the bar's end, if there is one
   * @param upper the other end of it
   * @param side what it speaks of
   */
  record Bar(String name, double value, OptionalDouble lower, OptionalDouble upper, Side side) {
    public Bar {
      if (!(value >= 0 && value < Double.POSITIVE_INFINITY)
          || lower.isPresent() != upper.isPresent()) {
        throw new IllegalArgumentException(name + ": " + value + " from " + lower + " to " + upper);
      }
    }
  }

  /** Which set a figure speaks of; each has one colour through the whole report. */
  enum Side {
    SYNTHETIC("synthetic"),
    REAL("real");

    private final String word;

    Side(String word) {
      this.word = word;
    }

    /** As in a legend. */
    String word() {
      return word;
    }
  }

  /**
   * Shares of one or two sets over the same classes, as columns.
   *
   * @param caption what is counted
   * @param classes a name for each class
   * @param shares of each set and class, 0 to 1
   */
  record Columns(String caption, List<String> classes, Map<Side, double[]> shares)
      implements Block {
    public Columns {
      classes = List.copyOf(classes);
      shares = new LinkedHashMap<>(shares);
      for (double[] side : shares.values()) {
        if (side.length != classes.size()) {
          throw new IllegalArgumentException(
              side.length + " shares of " + classes.size() + " classes");
        }
      }
    }
  }

  /**
   * A line over a number.
   *
   * @param caption what the line shows
   * @param over what it is shown over
   * @param points by ascending x, at least one
   */
  record Curve(String caption, String over, List<LineChart.Point> points) implements Block {
    public Curve {
      if (points.isEmpty()) {
        throw new IllegalArgumentException("a line needs a point");
      }
      points = List.copyOf(points);
    }
  }

  /** A few texts of each label. */
  record Samples(Map<String, List<String>> texts) implements Block {
    public Samples {
      texts = new LinkedHashMap<>(texts);
    }
  }

  /** Rows of cells, of which the first names the row. */
  record Table(List<String> head, List<List<String>> rows) implements Block {
    public Table {
      head = List.copyOf(head);
      rows = rows.stream().map(List::copyOf).toList();
    }
  }
}
