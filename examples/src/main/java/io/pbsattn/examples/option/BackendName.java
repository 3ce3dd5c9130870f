package io.pbsattn.examples.option;

import io.pbsattn.Backends;
import java.util.List;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads the name of an attention backend; one that nobody knows is wrong usage. */
public final class BackendName implements ITypeConverter<String> {

    /** {@inheritDoc} */
    @Override
    public String convert(String value) {
        List<String> names = Backends.list().stream().map(Backends.BackendStatus::name).toList();
        if (!names.contains(value)) {
            throw new TypeConversionException(
                    "expected one of " + String.join(", ", names) + ", found '" + value + "'");
        }
        return value;
    }
}
