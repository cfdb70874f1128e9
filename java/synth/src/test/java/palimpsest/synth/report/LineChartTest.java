package palimpsest.synth.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.StringReader;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

class LineChartTest {
  private static LineChart chart(double... values) {
    List<LineChart.Point> points =
        IntStream.range(0, values.length).mapToObj(i -> new LineChart.Point(i, values[i])).toList();
    return new LineChart("loss", "step", points);
  }

  private static Document drawn(LineChart... charts) throws Exception {
    String svg = LineChart.svg(List.of(charts));
    return DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new InputSource(new StringReader(svg)));
  }

  private static List<Element> elements(Document document, String name, String style) {
    NodeList all = document.getElementsByTagName(name);
    return IntStream.range(0, all.getLength())
        .mapToObj(i -> (Element) all.item(i))
        .filter(element -> element.getAttribute("class").equals(style))
        .toList();
  }

  private static List<double[]> line(Document document) {
    List<double[]> places = new ArrayList<>();
    String text = elements(document, "polyline", "line").getFirst().getAttribute("points");
    for (String place : text.split(" ")) {
      String[] xy = place.split(",");
      places.add(new double[] {Double.parseDouble(xy[0]), Double.parseDouble(xy[1])});
    }
    return places;
  }

  private static List<String> ticks(Document document, String anchor) {
    return elements(document, "text", "tick").stream()
        .filter(element -> element.getAttribute("text-anchor").equals(anchor))
        .map(Element::getTextContent)
        .toList();
  }

  /** 0 to 4 over the width of 56 to 656; 0.5 to 4.5 over the height of 220 to 40. */
  @Test
  void everyPointLiesWhereTheAxesSay() throws Exception {
    Document document = drawn(chart(4.5, 3, 2, 1, 0.5));
    assertEquals(List.of("0", "1", "2", "3", "4"), ticks(document, "middle"));
    assertEquals(List.of("0", "1", "2", "3", "4", "5", "step"), ticks(document, "end"));
    List<double[]> line = line(document);
    double[][] expected = {{56, 58}, {206, 112}, {356, 148}, {506, 184}, {656, 202}};
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i][0], line.get(i)[0], 0.05);
      assertEquals(expected[i][1], line.get(i)[1], 0.05);
    }
    assertEquals("0.5000", elements(document, "text", "last").getFirst().getTextContent());
  }

  @ParameterizedTest
  @CsvSource({"2.9954, 6.9305", "-0.003, 0.004", "5, 5", "0, 0", "1e9, 3e9", "-7, -7"})
  void axesHoldAllPointsAndHaveAFewRoundTicks(double first, double last) throws Exception {
    Document document = drawn(chart(first, last));
    for (double[] place : line(document)) {
      assertTrue(place[0] >= 56 && place[0] <= 656 && place[1] >= 40 && place[1] <= 220);
    }
    List<String> ticks = ticks(document, "end");
    assertTrue(ticks.size() >= 3 && ticks.size() <= 9, ticks.toString());
    double step = Double.parseDouble(ticks.get(1)) - Double.parseDouble(ticks.get(0));
    double digit = step / Math.pow(10, Math.floor(Math.log10(step) + 1e-9));
    assertTrue(IntStream.of(1, 2, 5).anyMatch(d -> Math.abs(d - digit) < 1e-6), ticks.toString());
  }

  /** Up and down by 2,000 about a slope to 12,000: what is left is the slope. */
  @Test
  void aLongLineIsAveraged() throws Exception {
    double[] values =
        IntStream.range(0, 12_000).mapToDouble(i -> i + 2000 * (i % 2 * 2 - 1)).toArray();
    List<double[]> line = line(drawn(chart(values)));
    assertEquals(300, line.size());
    double slope = (line.getLast()[1] - line.getFirst()[1]) / 299;
    assertTrue(slope < -0.3, "it rises: " + slope);
    for (int i = 0; i < 300; i++) {
      assertEquals(line.getFirst()[1] + i * slope, line.get(i)[1], 0.2);
    }
  }

  @Test
  void chartsStandOneUnderAnother() throws Exception {
    Document document = drawn(chart(1, 2), chart(3, 4));
    assertEquals("0 0 720 520", document.getDocumentElement().getAttribute("viewBox"));
    assertEquals(2, document.getElementsByTagName("polyline").getLength());
  }

  @Test
  void titlesAreTextAndNotMarkup() throws Exception {
    List<LineChart.Point> points = List.of(new LineChart.Point(0, 1));
    Document document = drawn(new LineChart("a < b & \"c\"", "<g>", points));
    assertEquals("a < b & \"c\"", elements(document, "text", "title").getFirst().getTextContent());
    assertTrue(ticks(document, "end").contains("<g>"));
  }

  @Test
  void whatCannotBeDrawnIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> new LineChart("loss", "step", List.of()));
    assertThrows(IllegalArgumentException.class, () -> new LineChart.Point(Double.NaN, 1));
    assertThrows(
        IllegalArgumentException.class, () -> new LineChart.Point(1, Double.POSITIVE_INFINITY));
  }
}
