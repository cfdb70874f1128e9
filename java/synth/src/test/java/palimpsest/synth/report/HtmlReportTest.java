package palimpsest.synth.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.StringReader;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import javax.xml.parsers.DocumentBuilderFactory;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

class HtmlReportTest {
  private static HtmlReport report(HtmlReport.Edition edition, Block... blocks) {
    return new HtmlReport(
        edition,
        "a title",
        List.of("what is promised", "and what it means"),
        List.of(new Section("a section", "how to read it", List.of(blocks))));
  }

  private static Document parsed(String html) {
    try {
      DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
      return factory
          .newDocumentBuilder()
          .parse(new InputSource(new StringReader(html.replace("<!DOCTYPE html>", ""))));
    } catch (Exception e) {
      throw new AssertionError(e.getMessage(), e);
    }
  }

  private static List<Element> elements(Document document, String name) {
    NodeList all = document.getElementsByTagName(name);
    List<Element> elements = new ArrayList<>();
    for (int i = 0; i < all.getLength(); i++) {
      elements.add((Element) all.item(i));
    }
    return elements;
  }

  private static Block.Bar bar(double value) {
    return new Block.Bar(
        "a bar", value, OptionalDouble.of(0.4), OptionalDouble.of(0.6), Block.Side.REAL);
  }

  /** Whatever stands in a record, a reader sees it as text. */
  @Property(tries = 300)
  void noTextIsMarkup(@ForAll String raw) {
    Document page =
        parsed(
            report(HtmlReport.Edition.RELEASABLE, new Block.Samples(Map.of(raw, List.of(raw))))
                .html());
    String shown = elements(page, "blockquote").getFirst().getTextContent();
    assertEquals(raw.codePointCount(0, raw.length()), shown.codePointCount(0, shown.length()));
    assertEquals(1, elements(page, "blockquote").size());
  }

  @Test
  void whatABrowserWouldRunOrTurnRoundIsShown() {
    String raw = "</style><script>alert('x')</script> & \"q\" \u202eright to left\u0000";
    String html =
        report(HtmlReport.Edition.RELEASABLE, new Block.Samples(Map.of("l", List.of(raw)))).html();
    assertFalse(html.contains("<script"), html);
    assertFalse(html.contains("\u202e"), html);
    String shown = elements(parsed(html), "blockquote").getFirst().getTextContent();
    assertEquals("</style><script>alert('x')</script> & \"q\" \ufffdright to left\ufffd", shown);
  }

  @ParameterizedTest
  @EnumSource(HtmlReport.Edition.class)
  void saysFirstWhoMaySeeItAndThenWhatIsPromised(HtmlReport.Edition edition) {
    Document page = parsed(report(edition).html());
    List<Element> paragraphs = elements(page, "p");
    assertEquals("edition", paragraphs.get(0).getAttribute("class"));
    assertEquals("first", paragraphs.get(1).getAttribute("class"));
    assertEquals("what is promised", paragraphs.get(1).getTextContent());
    boolean internal = edition == HtmlReport.Edition.INTERNAL;
    assertEquals(internal, paragraphs.getFirst().getTextContent().contains("owner's eyes"));
  }

  /** Nothing that a browser would fetch. */
  @Test
  void nothingIsLoaded() {
    String html =
        report(
                HtmlReport.Edition.INTERNAL,
                new Block.Bars("c", 1, List.of(bar(0.5))),
                new Block.Curve("c", "o", List.of(new LineChart.Point(1, 2))),
                new Block.Table(List.of("a", "b"), List.of(List.of("c", "d"))))
            .html();
    for (String loading :
        List.of("http:", "https:", "src=", "href=", "url(", "@import", "<script")) {
      assertFalse(html.contains(loading), loading);
    }
    assertTrue(html.contains("default-src 'none'"));
  }

  @Test
  void barsAreAsLongAsTheirValues() {
    Document page =
        parsed(
            report(
                    HtmlReport.Edition.INTERNAL,
                    new Block.Bars("c", 2, List.of(bar(0.5), bar(1), bar(3))))
                .html());
    List<String> widths = elements(page, "i").stream().map(i -> i.getAttribute("style")).toList();
    assertEquals(List.of("width:25.00%", "width:50.00%", "width:100.00%"), widths);
    assertEquals("left:20.00%;width:10.00%", elements(page, "u").getFirst().getAttribute("style"));
    assertTrue(page.getDocumentElement().getTextContent().contains("0.500 [0.400, 0.600]"));
  }

  @Test
  void columnsOfBothSetsHaveOneScaleAndALegend() {
    Map<Block.Side, double[]> shares = new LinkedHashMap<>();
    shares.put(Block.Side.REAL, new double[] {0.5, 0.25});
    shares.put(Block.Side.SYNTHETIC, new double[] {0.1, 0});
    Document page =
        parsed(
            report(
                    HtmlReport.Edition.INTERNAL,
                    new Block.Columns("c", List.of("0-4", "5+"), shares))
                .html());
    assertEquals(
        List.of("height:100.00%", "height:20.00%", "height:50.00%", "height:0.00%"),
        elements(page, "i").stream().map(i -> i.getAttribute("style")).toList());
    assertTrue(page.getDocumentElement().getTextContent().contains("realsynthetic"));
  }

  @Test
  void aCurveGoesThroughItsPoints() {
    Document page =
        parsed(
            report(
                    HtmlReport.Edition.RELEASABLE,
                    new Block.Curve(
                        "epsilon",
                        "steps",
                        List.of(new LineChart.Point(0, 0), new LineChart.Point(10, 4))))
                .html());
    String line =
        elements(page, "path").stream()
            .filter(path -> path.getAttribute("class").equals("line"))
            .findFirst()
            .orElseThrow()
            .getAttribute("d");
    assertEquals("M0.00 1000.00L1000.00 0.00", line);
  }

  @Test
  void lengthsFillClassesThatSumToOne() {
    int[] lengths = new int[1000];
    for (int i = 0; i < lengths.length; i++) {
      lengths[i] = i % 40;
    }
    lengths[0] = 1_000_000;
    Block.Columns columns = Lengths.of("words", Map.of(Block.Side.REAL, lengths));
    double[] shares = columns.shares().get(Block.Side.REAL);
    double sum = 0;
    for (double share : shares) {
      sum += share;
    }
    assertEquals(1, sum, 1e-9);
    assertEquals("0-2", columns.classes().getFirst());
    assertEquals("45+", columns.classes().getLast());
    assertEquals(0.001, shares[15], 1e-12);
    assertEquals(0.074, shares[0], 1e-12);
  }

  @Test
  void figuresThatCannotBeDrawnAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> bar(Double.NaN));
    assertThrows(IllegalArgumentException.class, () -> bar(-1));
    assertThrows(IllegalArgumentException.class, () -> new Block.Bars("c", 0, List.of()));
    assertThrows(IllegalArgumentException.class, () -> new Block.Curve("c", "o", List.of()));
    assertThrows(
        IllegalArgumentException.class,
        () -> new Block.Columns("c", List.of("a"), Map.of(Block.Side.REAL, new double[] {1, 2})));
  }
}
