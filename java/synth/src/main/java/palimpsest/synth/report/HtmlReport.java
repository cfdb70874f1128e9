package palimpsest.synth.report;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A report as one HTML file that loads nothing from anywhere: for a wide screen or a narrow one,
 * light or dark, and for paper. It is well-formed XML too.
 *
 * @param edition who may see it
 * @param title of the whole
 * @param statement what is guaranteed, in plain words: its first sentence stands out
 */
public record HtmlReport(
    Edition edition, String title, List<String> statement, List<Section> sections) {
  /** Who may see a report. */
  public enum Edition {
    /** Everything in it follows from what was released. */
    RELEASABLE("For release", "Everything here follows from the released files alone."),
    /** Something in it follows from real records, and no epsilon covers that. */
    INTERNAL(
        "Internal",
        "For the owner's eyes: figures here follow from real records, and no epsilon covers them. Do not pass it on.");

    private final String word;
    private final String sentence;

    Edition(String word, String sentence) {
      this.word = word;
      this.sentence = sentence;
    }
  }

  private static final String STYLE = "/palimpsest/synth/report.css";

  /** More classes than this are not all named under their columns. */
  private static final int MOST_NAMED = 8;

  public HtmlReport {
    statement = List.copyOf(statement);
    sections = List.copyOf(sections);
  }

  /** The whole file. */
  public String html() {
    StringBuilder html = new StringBuilder();
    html.append(
        """
        <!DOCTYPE html>
        <html lang="en" class="%s">
        <head>
        <meta charset="utf-8"/>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
        <meta name="color-scheme" content="light dark"/>
        <title>%s</title>
        <style>
        %s</style>
        </head>
        <body>
        <main>
        """
            .formatted(edition.name().toLowerCase(Locale.ROOT), text(title), style()));
    header(html);
    for (Section section : sections) {
      html.append("<section>\n<h2>").append(text(section.title())).append("</h2>\n");
      if (!section.lead().isEmpty()) {
        element(html, "p", "lead", section.lead());
      }
      section.blocks().forEach(block -> block(html, block));
      html.append("</section>\n");
    }
    return html.append("</main>\n</body>\n</html>\n").toString();
  }

  private static String style() {
    try (InputStream in = HtmlReport.class.getResourceAsStream(STYLE)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void header(StringBuilder html) {
    html.append("<header>\n<p class=\"edition\"><b>")
        .append(edition.word)
        .append("</b> ")
        .append(text(edition.sentence))
        .append("</p>\n");
    element(html, "h1", "", title);
    html.append("<div class=\"statement\">\n");
    for (int i = 0; i < statement.size(); i++) {
      element(html, "p", i == 0 ? "first" : "", statement.get(i));
    }
    html.append("</div>\n</header>\n");
  }

  private static void block(StringBuilder html, Block block) {
    switch (block) {
      case Block.Prose prose -> prose.paragraphs().forEach(p -> element(html, "p", "", p));
      case Block.Items items -> {
        html.append("<ul>\n");
        items.items().forEach(item -> element(html, "li", "", item));
        html.append("</ul>\n");
      }
      case Block.Facts facts -> facts(html, facts);
      case Block.Bars bars -> bars(html, bars);
      case Block.Columns columns -> columns(html, columns);
      case Block.Curve curve -> curve(html, curve);
      case Block.Samples samples -> samples(html, samples);
      case Block.Table table -> table(html, table);
    }
  }

  private static void facts(StringBuilder html, Block.Facts facts) {
    html.append("<dl>\n");
    facts
        .facts()
        .forEach((name, value) -> {
          html.append("<div>");
          element(html, "dt", "", name);
          element(html, "dd", "", value);
          html.append("</div>\n");
        });
    html.append("</dl>\n");
  }

  private static void bars(StringBuilder html, Block.Bars bars) {
    html.append("<figure class=\"bars\">\n");
    element(html, "figcaption", "", bars.caption());
    for (Block.Bar bar : bars.bars()) {
      html.append("<div class=\"bar ").append(bar.side().word()).append("\">");
      element(html, "span", "name", bar.name());
      html.append("<span class=\"track\"><i style=\"width:")
          .append(percent(bar.value() / bars.most()))
          .append("\"></i>");
      if (bar.lower().isPresent()) {
        double lower = bar.lower().getAsDouble() / bars.most();
        double upper = bar.upper().getAsDouble() / bars.most();
        html.append("<u style=\"left:")
            .append(percent(lower))
            .append(";width:")
            .append(percent(Math.max(0, upper - lower)))
            .append("\"></u>");
      }
      html.append("</span>");
      element(html, "span", "value", value(bar));
      html.append("</div>\n");
    }
    html.append("</figure>\n");
  }

  private static String value(Block.Bar bar) {
    String value = number(bar.value());
    return bar.lower().isEmpty()
        ? value
        : value
            + " ["
            + number(bar.lower().getAsDouble())
            + ", "
            + number(bar.upper().getAsDouble())
            + "]";
  }

  private static void columns(StringBuilder html, Block.Columns columns) {
    double most =
        columns.shares().values().stream().flatMapToDouble(Arrays::stream).max().orElse(0);
    html.append("<figure class=\"columns\">\n");
    element(html, "figcaption", "", columns.caption());
    legend(html, columns.shares());
    html.append("<div class=\"plot\">");
    int every = Math.ceilDiv(columns.classes().size(), MOST_NAMED);
    for (int i = 0; i < columns.classes().size(); i++) {
      html.append("<div class=\"class\"><div class=\"pair\">");
      for (Map.Entry<Block.Side, double[]> side : columns.shares().entrySet()) {
        double share = side.getValue()[i];
        html.append("<i class=\"")
            .append(side.getKey().word())
            .append("\" style=\"height:")
            .append(percent(most > 0 ? share / most : 0))
            .append("\" title=\"")
            .append(text(columns.classes().get(i) + ": " + percent(share)))
            .append("\"></i>");
      }
      html.append("</div>");
      element(html, "span", "", i % every == 0 ? columns.classes().get(i) : "");
      html.append("</div>");
    }
    html.append("</div>\n</figure>\n");
  }

  private static void legend(StringBuilder html, Map<Block.Side, double[]> sides) {
    if (sides.size() < 2) {
      return;
    }
    html.append("<p class=\"legend\">");
    sides
        .keySet()
        .forEach(side ->
            html.append("<span class=\"")
                .append(side.word())
                .append("\">")
                .append(side.word())
                .append("</span>"));
    html.append("</p>\n");
  }

  /** Lines stretch with the page, and letters do not: those stand outside of the drawing. */
  private static void curve(StringBuilder html, Block.Curve curve) {
    List<LineChart.Point> points = curve.points();
    Ticks x = Ticks.of(points.getFirst().x(), points.getLast().x());
    Ticks y =
        Ticks.of(
            Math.min(0, points.stream().mapToDouble(LineChart.Point::y).min().orElseThrow()),
            points.stream().mapToDouble(LineChart.Point::y).max().orElseThrow());
    html.append("<figure class=\"curve\">\n");
    element(html, "figcaption", "", curve.caption());
    html.append("<div class=\"plot\">");
    for (BigDecimal tick : y.all()) {
      double place = 1 - y.place(tick.doubleValue());
      html.append("<b class=\"y\" style=\"top:").append(percent(place)).append("\">");
      html.append(tick.toPlainString()).append("</b>");
    }
    html.append("<svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" role=\"img\">");
    for (BigDecimal tick : y.all()) {
      String at = decimal(1000 * (1 - y.place(tick.doubleValue())));
      html.append("<path class=\"grid\" d=\"M0 ").append(at).append("H1000\"/>");
    }
    html.append("<path class=\"line\" d=\"");
    for (int i = 0; i < points.size(); i++) {
      html.append(i == 0 ? 'M' : 'L')
          .append(decimal(1000 * x.place(points.get(i).x())))
          .append(' ')
          .append(decimal(1000 * (1 - y.place(points.get(i).y()))));
    }
    html.append("\"/></svg>");
    for (BigDecimal tick : x.all()) {
      html.append("<b class=\"x\" style=\"left:")
          .append(percent(x.place(tick.doubleValue())))
          .append("\">")
          .append(tick.toPlainString())
          .append("</b>");
    }
    html.append("</div>\n");
    element(html, "p", "over", curve.over());
    html.append("</figure>\n");
  }

  private static void samples(StringBuilder html, Block.Samples samples) {
    html.append("<div class=\"samples\">\n");
    samples
        .texts()
        .forEach((label, texts) -> {
          html.append("<div class=\"card\">");
          element(html, "h3", "", label);
          texts.forEach(text -> element(html, "blockquote", "", text));
          html.append("</div>\n");
        });
    html.append("</div>\n");
  }

  private static void table(StringBuilder html, Block.Table table) {
    html.append("<div class=\"scroll\"><table>\n<thead><tr>");
    table.head().forEach(cell -> element(html, "th", "", cell));
    html.append("</tr></thead>\n<tbody>\n");
    for (List<String> row : table.rows()) {
      html.append("<tr>");
      for (int i = 0; i < row.size(); i++) {
        element(html, i == 0 ? "th" : "td", "", row.get(i));
      }
      html.append("</tr>\n");
    }
    html.append("</tbody>\n</table></div>\n");
  }

  private static void element(StringBuilder html, String name, String style, String content) {
    html.append('<').append(name);
    if (!style.isEmpty()) {
      html.append(" class=\"").append(style).append('"');
    }
    html.append('>').append(text(content)).append("</").append(name).append(">\n");
  }

  private static String percent(double share) {
    return decimal(100 * Math.clamp(share, 0, 1)) + "%";
  }

  private static String decimal(double value) {
    return String.format(Locale.ROOT, "%.2f", value);
  }

  /** Three digits, without an exponent. */
  private static String number(double value) {
    return String.format(Locale.ROOT, value < 10 ? "%.3f" : "%.1f", value);
  }

  /**
   * Text in markup. Records may hold anything: what XML does not allow is shown as the replacement
   * character, and no text can change the direction of what follows it.
   */
  static String text(String raw) {
    StringBuilder safe = new StringBuilder(raw.length() + 16);
    raw.codePoints()
        .forEach(c -> {
          switch (c) {
            case '<' -> safe.append("&lt;");
            case '>' -> safe.append("&gt;");
            case '&' -> safe.append("&amp;");
            case '"' -> safe.append("&quot;");
            case '\'' -> safe.append("&#39;");
            default -> safe.appendCodePoint(isSafe(c) ? c : 0xFFFD);
          }
        });
    return safe.toString();
  }

  private static boolean isSafe(int c) {
    boolean control = c < 0x20 && c != '\t' && c != '\n' || c >= 0x7f && c < 0xa0;
    boolean surrogate = c >= 0xd800 && c < 0xe000;
    boolean direction = c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069;
    return !control && !surrogate && !direction && c != 0xfffe && c != 0xffff;
  }
}
