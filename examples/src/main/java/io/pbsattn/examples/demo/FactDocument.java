package io.pbsattn.examples.demo;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/** A real document, the GNU General Public License, with facts strewn between its paragraphs. */
public final class FactDocument {

    private static final String RESOURCE = "/documents/gpl-3.0.txt";

    private static final Pattern EMPTY_LINES = Pattern.compile("\n\\s*\n");

    private FactDocument() {}

    /** The paragraphs of the document, each on one line. */
    public static List<String> paragraphs() throws IOException {
        try (InputStream in = FactDocument.class.getResourceAsStream(RESOURCE)) {
            String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
            List<String> paragraphs = new ArrayList<>();
            for (String paragraph : EMPTY_LINES.split(text, 0)) {
                paragraphs.add(paragraph.strip().replaceAll("\\s+", " "));
            }
            return paragraphs;
        }
    }

    /** Puts the facts between the paragraphs at even distances. */
    public static String withFacts(List<String> paragraphs, List<Fact> facts) {
        StringBuilder text = new StringBuilder();
        int told = 0;
        for (int p = 0; p < paragraphs.size(); ++p) {
            text.append(paragraphs.get(p)).append('\n');
            // Fact n stands at the share (n + 1/2) / facts of the document.
            while (told < facts.size()
                    && (2 * told + 1) * paragraphs.size() <= (2 * p + 1) * facts.size()) {
                text.append(facts.get(told++).sentence()).append('\n');
            }
        }
        facts.subList(told, facts.size())
                .forEach(fact -> text.append(fact.sentence()).append('\n'));
        return text.toString().stripTrailing();
    }
}
