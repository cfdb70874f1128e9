package palimpsest.synth.report;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.StringJoiner;

/**
 * One line over a number, drawn as SVG. Libraries of charts measure their text with fonts of the
 * system, which a server may not have; here whoever shows the image sets the text, in light or dark
 * as the page is.
 *
 * @param title what the line shows, and in which unit
 * @param over what it is shown over
 * @param points by ascending x
 */
public record LineChart(String title, String over, List<Point> points) {
  /** A place on the line. */
  public record Point(double x, double y) {
    /**
     * @throws IllegalArgumentException if one is not a number that can be drawn
     */
    public Point {
      if (!Double.isFinite(x) || !Double.isFinite(y)) {
        throw new IllegalArgumentException("(" + x + ", " + y + ") cannot be drawn");
      }
    }
  }

  private static final int WIDTH = 720;
  private static final int HEIGHT = 260;
  private static final int LEFT = 56;
  private static final int RIGHT = WIDTH - 64;
  private static final int TOP = 40;
  private static final int BOTTOM = HEIGHT - 40;

  /** More than the eye tells apart are averaged. */
  private static final int MOST_POINTS = 300;

  /** Without variables, which not every viewer knows. */
  private static final String STYLE =
      """
      <style>
      svg { font: 12px system-ui, sans-serif; }
      .title { fill: #1d2733; font-size: 14px; font-weight: 600; }
      .tick { fill: #6b7785; }
      .grid { stroke: #e3e7ec; }
      .line { fill: none; stroke: #0b66c3; stroke-width: 1.75; stroke-linejoin: round; }
      .dot { fill: #0b66c3; }
      .last { fill: #0b66c3; font-weight: 600; }
      @media (prefers-color-scheme: dark) {
        .title { fill: #e6eaf0; }
        .tick { fill: #97a3b2; }
        .grid { stroke: #2d3743; }
        .line { stroke: #63abf5; }
        .dot, .last { fill: #63abf5; }
      }
      </style>
      """;

  /**
   * @throws IllegalArgumentException if there is no point
   */
  public LineChart {
    if (points.isEmpty()) {
      throw new IllegalArgumentException("a line needs a point");
    }
    points = List.copyOf(points);
  }

  /** Charts, one under another, as one image. */
  public static String svg(List<LineChart> charts) {
    int height = HEIGHT * charts.size();
    StringBuilder svg = new StringBuilder();
    svg.append(
        """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">
        """
            .formatted(WIDTH, height, WIDTH, height));
    svg.append(STYLE);
    for (int i = 0; i < charts.size(); i++) {
      svg.append("<g transform=\"translate(0 %d)\">\n".formatted(HEIGHT * i));
      charts.get(i).draw(svg);
      svg.append("</g>\n");
    }
    return svg.append("</svg>\n").toString();
  }

  private void draw(StringBuilder svg) {
    List<Point> drawn = averaged();
    Ticks x = Ticks.of(drawn.getFirst().x, drawn.getLast().x);
    Ticks y =
        Ticks.of(
            drawn.stream().mapToDouble(Point::y).min().orElseThrow(),
            drawn.stream().mapToDouble(Point::y).max().orElseThrow());
    text(svg, "title", "start", LEFT, TOP - 18, title);
    for (BigDecimal tick : y.all()) {
      double at = across(y, tick.doubleValue(), BOTTOM, TOP);
      add(
          svg,
          "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>",
          LEFT,
          RIGHT,
          at,
          at);
      text(svg, "tick", "end", LEFT - 8, at + 4, tick.toPlainString());
    }
    for (BigDecimal tick : x.all()) {
      double at = across(x, tick.doubleValue(), LEFT, RIGHT);
      text(svg, "tick", "middle", at, BOTTOM + 18, tick.toPlainString());
    }
    text(svg, "tick", "end", RIGHT, BOTTOM + 34, over);
    StringJoiner places = new StringJoiner(" ");
    for (Point point : drawn) {
      places.add(
          String.format(
              Locale.ROOT,
              "%.1f,%.1f",
              across(x, point.x, LEFT, RIGHT),
              across(y, point.y, BOTTOM, TOP)));
    }
    add(svg, "<polyline class=\"line\" points=\"%s\"/>", places);
    Point last = drawn.getLast();
    double atX = across(x, last.x, LEFT, RIGHT);
    double atY = across(y, last.y, BOTTOM, TOP);
    add(svg, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>", atX, atY);
    text(svg, "last", "start", atX + 8, atY + 4, String.format(Locale.ROOT, "%.4g", last.y));
  }

  private static double across(Ticks ticks, double value, int from, int to) {
    return from + ticks.place(value) * (to - from);
  }

  /** Means of neighbours where there are more points than can be told apart. */
  private List<Point> averaged() {
    int count = Math.min(points.size(), MOST_POINTS);
    List<Point> means = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      List<Point> some =
          points.subList(
              (int) ((long) points.size() * i / count),
              (int) ((long) points.size() * (i + 1) / count));
      means.add(
          new Point(
              some.stream().mapToDouble(Point::x).average().orElseThrow(),
              some.stream().mapToDouble(Point::y).average().orElseThrow()));
    }
    return means;
  }

  private static void add(StringBuilder svg, String element, Object... values) {
    svg.append(String.format(Locale.ROOT, element, values)).append('\n');
  }

  private static void text(
      StringBuilder svg, String style, String anchor, double x, double y, String text) {
    add(
        svg,
        "<text class=\"%s\" text-anchor=\"%s\" x=\"%.1f\" y=\"%.1f\">%s</text>",
        style,
        anchor,
        x,
        y,
        text.replace("&", "&amp;").replace("<", "&lt;"));
  }
}
