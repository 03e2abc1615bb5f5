/* fetch.c: libcurl for the transfer, libmd for the sum. */
#include "fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <md5.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((format(printf, 3, 4))) static ucid_status fail(ucid_error *error, ucid_status status, const char *format,
                                                              ...)
{
    *error = (ucid_error){.status = status, .byte = -1, .row = -1};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return status;
}

typedef struct transfer {
    const fetch_request *request;
    CURL *curl;
    FILE *file;
    curl_off_t kept; /* bytes that were there before */
    int cancelled, write_failed;
} transfer;

static size_t take_bytes(char *bytes, size_t size, size_t count, void *ctx)
{
    transfer *self = ctx;
    size_t written = fwrite(bytes, size, count, self->file);
    self->write_failed = written != count;
    return written * size;
}

static int show_progress(void *ctx, curl_off_t total, curl_off_t done, curl_off_t up_total, curl_off_t up_done)
{
    transfer *self = ctx;
    (void)up_total;
    (void)up_done;
    const fetch_request *request = self->request;
    uint64_t all = total > 0 ? (uint64_t)(self->kept + total) : 0;
    self->cancelled = request->progress != NULL &&
                      request->progress(request->progress_ctx, "fetch", (uint64_t)(self->kept + done), all) != 0;
    return self->cancelled;
}

static ucid_status perform(transfer *self, ucid_error *error)
{
    const fetch_request *request = self->request;
    char reason[CURL_ERROR_SIZE] = "";
    CURL *curl = self->curl;
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 8L);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, request->agent);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 20L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 60L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, self->kept);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, self);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, show_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, self);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_RANGE_ERROR && self->kept > 0 && ftruncate(fileno(self->file), 0) == 0) {
        self->kept = 0; /* the server does not continue: all of it again */
        curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, self->kept);
        code = curl_easy_perform(curl);
    }
    long answer = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer);
    if (code == CURLE_OK) return UCID_OK;
    if (answer == 416 && self->kept > 0) return UCID_OK; /* there is no rest: the file was whole */
    if (self->cancelled) return fail(error, UCID_CANCELLED, "%s: interrupted", request->url);
    if (self->write_failed) return fail(error, UCID_IO_ERROR, "%s: %s", request->path, strerror(errno));
    if (answer == 404) return fail(error, UCID_FILE_NOT_FOUND, "%s: the server has no such file", request->url);
    const char *cause = reason[0] != '\0' ? reason : curl_easy_strerror(code);
    return fail(error, UCID_IO_ERROR, "%.120s: %.100s", request->url, cause);
}

UCID_API ucid_status ucid_fetch(const fetch_request *request, ucid_error *error)
{
    transfer self = {.request = request, .curl = curl_easy_init(), .file = fopen(request->path, "ab")};
    struct stat st;
    ucid_status status = UCID_OK;
    if (self.curl == NULL) {
        status = fail(error, UCID_NO_MEMORY, "no memory for a download");
    } else if (self.file == NULL || fstat(fileno(self.file), &st) != 0) {
        status = fail(error, UCID_IO_ERROR, "%s: %s", request->path, strerror(errno));
    } else {
        self.kept = st.st_size;
        status = perform(&self, error);
    }
    if (self.file != NULL && fclose(self.file) != 0 && status == UCID_OK) {
        status = fail(error, UCID_IO_ERROR, "%s: %s", request->path, strerror(errno));
    }
    if (self.curl != NULL) curl_easy_cleanup(self.curl);
    return status;
}

UCID_API ucid_status ucid_fetch_md5(const char *path, char hex[33], ucid_error *error)
{
    if (MD5File(path, hex) != NULL) return UCID_OK;
    return fail(error, UCID_FILE_NOT_FOUND, "%s: %s", path, strerror(errno));
}
