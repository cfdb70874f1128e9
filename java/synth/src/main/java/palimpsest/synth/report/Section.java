package palimpsest.synth.report;

import java.util.List;

/**
 * A part of a report under one heading.
 *
 * @param lead one or two sentences on what is shown and how to read it; may be empty
 */
public record Section(String title, String lead, List<Block> blocks) {
  public Section {
    blocks = List.copyOf(blocks);
  }
}
