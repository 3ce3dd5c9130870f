package io.pbsattn.examples.command;

import com.google.gson.Gson;
import com.google.gson.JsonParseException;
import io.pbsattn.examples.model.TextFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleFunction;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.internal.chartpart.Chart;
import org.knowm.xchart.style.Styler;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Draws what {@code bench operator --json} measured. */
@Command(
        name = "plot",
        description = "Draw results of 'bench operator --json' as PNG files.",
        mixinStandardHelpOptions = true)
final class BenchPlotCommand implements Callable<Integer> {

    private static final int WIDTH = 900;
    private static final int HEIGHT = 500;

    @Parameters(paramLabel = "FILE", description = "What 'bench operator --json' printed.")
    private Path file;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            defaultValue = ".",
            description = "Where speedup.png and phases.png go; default: here.")
    private Path folder;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws IOException {
        BenchOperatorCommand.Result result = read();
        System.setProperty("java.awt.headless", "true");
        Files.createDirectories(folder);
        save(speedup(result), "speedup");
        save(phases(result), "phases");
        return 0;
    }

    private BenchOperatorCommand.Result read() throws IOException {
        String text = TextFile.read(file);
        try {
            BenchOperatorCommand.Result result =
                    new Gson().fromJson(text, BenchOperatorCommand.Result.class);
            if (result == null || result.rows() == null || result.rows().isEmpty()) {
                throw new IOException(file + ": expected 'rows' of 'bench operator --json'");
            }
            return result;
        } catch (JsonParseException e) {
            throw new IOException(file + ": expected JSON of 'bench operator': " + e, e);
        }
    }

    private static CategoryChart speedup(BenchOperatorCommand.Result result) {
        CategoryChart chart = chart(result, "times as fast as PyTorch's dense attention");
        series(chart, result, "every block kept", row -> row.sdpaSeconds() / row.denseSeconds());
        series(chart, result, "PBS-Attn", BenchOperatorCommand.Row::speedupOverSdpa);
        return chart;
    }

    /** Stacked shares of the operator's time. */
    private static CategoryChart phases(BenchOperatorCommand.Result result) {
        CategoryChart chart = chart(result, "% of the operator's time");
        chart.getStyler().setStacked(true);
        series(chart, result, "permute", row -> percent(row.permuteSeconds(), row));
        series(chart, result, "select", row -> percent(row.selectSeconds(), row));
        series(chart, result, "attend", row -> percent(row.attendSeconds(), row));
        series(
                chart,
                result,
                "rest",
                row ->
                        100
                                - percent(
                                        row.permuteSeconds()
                                                + row.selectSeconds()
                                                + row.attendSeconds(),
                                        row));
        return chart;
    }

    private static double percent(double seconds, BenchOperatorCommand.Row row) {
        return 100 * seconds / row.pbsSeconds();
    }

    private static CategoryChart chart(BenchOperatorCommand.Result result, String yTitle) {
        BenchOperatorCommand.Row row = result.rows().get(0);
        String title =
                String.format(
                        "%s, %d/%d heads of %d, %s",
                        row.dtype(),
                        row.numQHeads(),
                        row.numKvHeads(),
                        row.headDim(),
                        result.machine());
        CategoryChart chart =
                new CategoryChartBuilder()
                        .width(WIDTH)
                        .height(HEIGHT)
                        .title(title)
                        .xAxisTitle("tokens (density)")
                        .yAxisTitle(yTitle)
                        .build();
        chart.getStyler().setLegendPosition(Styler.LegendPosition.OutsideE);
        chart.getStyler().setYAxisMin(0.0);
        return chart;
    }

    private static void series(
            CategoryChart chart,
            BenchOperatorCommand.Result result,
            String name,
            ToDoubleFunction<BenchOperatorCommand.Row> value) {
        List<String> lengths =
                result.rows().stream()
                        .map(row -> String.format("%,d (%.2f)", row.seqlen(), row.density()))
                        .toList();
        double[] values = result.rows().stream().mapToDouble(value).toArray();
        chart.addSeries(name, lengths, Arrays.stream(values).boxed().toList());
    }

    private void save(Chart<?, ?> chart, String name) throws IOException {
        BitmapEncoder.saveBitmap(chart, folder.resolve(name).toString(), BitmapFormat.PNG);
    }
}
