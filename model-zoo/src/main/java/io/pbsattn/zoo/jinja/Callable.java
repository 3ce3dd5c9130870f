package io.pbsattn.zoo.jinja;

import java.util.List;
import java.util.Map;

/** A function, macro or method of a value. */
interface Callable {

    Object call(List<Object> arguments, Map<String, Object> named);
}
