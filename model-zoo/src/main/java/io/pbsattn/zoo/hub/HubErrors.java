package io.pbsattn.zoo.hub;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpHeaders;
import java.net.http.HttpResponse;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;

/** What the statuses of the hub mean, and what the user can do about them. */
final class HubErrors {

    private static final int MAX_MESSAGE = 200;

    private HubErrors() {}

    /**
     * Does nothing for a success.
     *
     * @throws BusyException if the server may answer later
     * @throws HubStatusException if it will not
     */
    static void check(String what, URI endpoint, HttpResponse<Void> response) throws IOException {
        int status = response.statusCode();
        HttpHeaders headers = response.headers();
        if (status / 100 == 2) {
            return;
        }
        String said = what + ": " + response.uri().getHost() + " answers " + status;
        if (status == 408 || status == 429 || status / 100 == 5) {
            throw new BusyException(
                    response.uri().getHost() + " answers " + status, retryAfter(headers));
        }
        boolean isHub = HubHttp.isSameServer(response.uri(), endpoint);
        String advice = isHub ? advice(status, endpoint, headers) : "";
        throw new HubStatusException(said + advice + message(headers));
    }

    private static String advice(int status, URI endpoint, HttpHeaders headers) {
        String code = headers.firstValue("X-Error-Code").orElse("");
        if ("GatedRepo".equals(code) || status == 403) {
            return ": its licence must be accepted at "
                    + endpoint
                    + " by the user whose token is in HF_TOKEN";
        }
        if (status == 401) {
            return ": there is no such model, or it is private or gated; for those set HF_TOKEN to"
                    + " a token that may read it";
        }
        if (status == 404) {
            return switch (code) {
                case "RepoNotFound" -> ": no such model";
                case "RevisionNotFound" -> ": no such revision";
                case "EntryNotFound" -> ": no such file";
                default -> ": no such model, revision or file";
            };
        }
        return "";
    }

    /** What the server itself says, as one line. */
    private static String message(HttpHeaders headers) {
        String message =
                headers.firstValue("X-Error-Message").orElse("").replaceAll("\\p{Cntrl}", " ");
        boolean isLong = message.length() > MAX_MESSAGE;
        return message.isBlank()
                ? ""
                : " (" + (isLong ? message.substring(0, MAX_MESSAGE) + "..." : message) + ")";
    }

    private static Duration retryAfter(HttpHeaders headers) {
        String value = headers.firstValue("Retry-After").orElse("").strip();
        if (value.matches("\\d{1,9}")) {
            return Duration.ofSeconds(Long.parseLong(value));
        }
        try {
            Duration wait =
                    Duration.between(
                            ZonedDateTime.now(ZoneOffset.UTC),
                            ZonedDateTime.parse(value, DateTimeFormatter.RFC_1123_DATE_TIME));
            return wait.isNegative() ? Duration.ZERO : wait;
        } catch (DateTimeException e) {
            return null; // no header, or none that can be read: the usual wait
        }
    }
}
