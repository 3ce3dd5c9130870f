package io.pbsattn.examples.command;

import io.pbsattn.examples.option.JsonOption;
import io.pbsattn.examples.verify.TextCheck;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Runs every {@code case.json} of a folder. */
@Command(
        name = "cases",
        description = {
            "Compare rendered chat templates and token ids with those that transformers gave.",
            "",
            "A case is a folder that holds tokenizer.json, or a link to another, whatever else"
                + " belongs to it, and case.json: {\"messages\": [{\"role\", \"content\", ...}],"
                + " \"gen\": whether the template begins the answer (true), \"tools\": [...],"
                + " \"vars\": {...}, \"raw\": a text to encode without a template}. All of them may"
                + " be left out.",
            "right.json in the folder says what is right: {\"text\", \"ids\", \"raw_ids\"}, or"
                    + " {\"error\"} where the case has to be refused; else right.json in the"
                    + " folder's parent does so under the folder's name. Cases of which nobody says"
                    + " what is right are named and not counted.",
            ""
        },
        mixinStandardHelpOptions = true)
final class VerifyCasesCommand implements Callable<Integer> {

    @Parameters(
            paramLabel = "DIR",
            description = "A case, or a folder with cases at any of the next levels.")
    private Path folder;

    @Mixin private JsonOption json;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws IOException {
        List<TextCheck.Result> results = new ArrayList<>();
        List<String> skipped = new ArrayList<>();
        StringBuilder text = new StringBuilder();
        for (Path each : TextCheck.folders(folder)) {
            String name =
                    each.equals(folder)
                            ? each.toAbsolutePath().normalize().getFileName().toString()
                            : folder.relativize(each).toString();
            Optional<TextCheck.Result> result = TextCheck.run(name, each);
            if (result.isPresent()) {
                TextCheck.Result r = result.get();
                results.add(r);
                text.append(
                        String.format(
                                "%-6s %s%s%n",
                                r.passed() ? "ok" : "FAILED",
                                r.name(),
                                r.passed() ? "" : "  " + r.reason()));
            } else {
                skipped.add(name);
                text.append(String.format("%-6s %s  no right value%n", "-", name));
            }
        }
        if (results.isEmpty()) {
            throw new IOException(
                    folder + ": no case has a right value, see './pbs verify cases" + " --help'");
        }
        long passed = results.stream().filter(TextCheck.Result::passed).count();
        long failed = results.size() - passed;
        text.append(
                String.format(
                        "%d passed, %d failed, %d without a right value",
                        passed, failed, skipped.size()));
        json.print(new Summary(passed, failed, results, skipped), text.toString());
        return failed == 0 ? 0 : 1;
    }

    /** The JSON of the command. */
    private record Summary(
            long passed, long failed, List<TextCheck.Result> cases, List<String> skipped) {}
}
