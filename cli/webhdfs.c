/* webhdfs.c: one request a call, with connections kept for the next.
 *
 * The NameNode answers what is about names itself and sends what is about bytes on to a DataNode. An upload is one
 * request whose body is given piece by piece: libcurl's multi interface runs until it has taken the piece at hand and
 * rests then, so that memory holds one piece and no thread is needed. HDFS shows a file under its name while it is
 * written, hence the caller's rename. */
#include "webhdfs.h"

#include <curl/curl.h>
#include <jansson.h>
#include <pthread.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { IDLE_MAX = 16, TRIES = 3, URL_SIZE = 8192, ANSWER_MAX = 64 << 20 };

struct webhdfs {
    char base[512]; /* http://host:port/webhdfs/v1 */
    char user[128]; /* encoded */
    pthread_mutex_t lock;
    CURL *idle[IDLE_MAX];
    int idle_count;
};

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

/* ----------------------------------------------------------------------------------------------- Configuration -- */

/* <name>NAME</name> ... <value>VALUE</value> of a file of $HADOOP_CONF_DIR; 0 where there is none. */
static int configured(const char *file, const char *name, char *value, size_t size)
{
    const char *folder = getenv("HADOOP_CONF_DIR");
    char path[4096], tag[256];
    if (folder == NULL) return 0;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *in = fopen(path, "r");
    if (in == NULL) return 0;
    char *text = calloc(1, (1 << 20) + 1);
    int found = 0;
    if (text != NULL && fread(text, 1, 1 << 20, in) > 0) {
        snprintf(tag, sizeof tag, "<name>%s</name>", name);
        char *at = strstr(text, tag);
        char *end = at != NULL ? strstr(at, "</property>") : NULL;
        char *begin = at != NULL ? strstr(at, "<value>") : NULL;
        if (begin != NULL && end != NULL && begin < end) {
            begin += strlen("<value>");
            size_t length = strcspn(begin, "<");
            found = length > 0 && length < size;
            if (found) snprintf(value, size, "%.*s", (int)length, begin);
        }
    }
    free(text);
    fclose(in);
    return found;
}

static ucid_status hdfs_connect(const char *uri, webhdfs **out, ucid_error *error)
{
    char authority[256], http[256];
    int named = strncmp(uri, "webhdfs://", 10) == 0;
    const char *host = strstr(uri, "://");
    snprintf(authority, sizeof authority, "%.*s", host != NULL ? (int)strcspn(host + 3, "/") : 0,
             host != NULL ? host + 3 : "");
    if (authority[0] == '\0' && configured("core-site.xml", "fs.defaultFS", http, sizeof http)) {
        host = strstr(http, "://");
        if (host != NULL) snprintf(authority, sizeof authority, "%.*s", (int)strcspn(host + 3, "/"), host + 3);
    }
    if (authority[0] == '\0') {
        return fail(error, UCID_INVALID_ARGUMENT,
                    "no NameNode is named, and core-site.xml of HADOOP_CONF_DIR names none");
    }
    if (named) {
        snprintf(http, sizeof http, "%s", authority);
    } else if (!configured("hdfs-site.xml", "dfs.namenode.http-address", http, sizeof http)) {
        snprintf(http, sizeof http, "%.*s:9870", (int)strcspn(authority, ":"), authority);
    }
    webhdfs *self = calloc(1, sizeof *self);
    if (self == NULL) return fail(error, UCID_NO_MEMORY, "%s: no memory", uri);
    snprintf(self->base, sizeof self->base, "http://%s/webhdfs/v1", http);
    const char *user = getenv("HADOOP_USER_NAME");
    struct passwd *entry = user == NULL ? getpwuid(getuid()) : NULL;
    char *encoded = curl_easy_escape(NULL, user != NULL ? user : entry != NULL ? entry->pw_name : "nobody", 0);
    snprintf(self->user, sizeof self->user, "%s", encoded != NULL ? encoded : "");
    curl_free(encoded);
    pthread_mutex_init(&self->lock, NULL);
    *out = self;
    return UCID_OK;
}

static void hdfs_disconnect(webhdfs *self)
{
    if (self == NULL) return;
    for (int i = 0; i < self->idle_count; i++) curl_easy_cleanup(self->idle[i]);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

static CURL *take_handle(webhdfs *self)
{
    pthread_mutex_lock(&self->lock);
    CURL *curl = self->idle_count > 0 ? self->idle[--self->idle_count] : NULL;
    pthread_mutex_unlock(&self->lock);
    if (curl == NULL) return curl_easy_init();
    curl_easy_reset(curl);
    return curl;
}

static void give_handle(webhdfs *self, CURL *curl)
{
    pthread_mutex_lock(&self->lock);
    int kept = self->idle_count < IDLE_MAX;
    if (kept) self->idle[self->idle_count++] = curl;
    pthread_mutex_unlock(&self->lock);
    if (!kept) curl_easy_cleanup(curl);
}

/* -------------------------------------------------------------------------------------------------- Requests -- */

typedef struct answer {
    char *bytes;
    size_t length, capacity;
    int fixed; /* bytes are the caller's */
} answer;

static size_t take_bytes(char *bytes, size_t size, size_t count, void *ctx)
{
    answer *self = ctx;
    size_t more = size * count;
    if (self->length + more > self->capacity) {
        if (self->fixed || self->length + more > ANSWER_MAX) return 0;
        size_t capacity = 2 * (self->length + more) + 1024;
        char *grown = realloc(self->bytes, capacity);
        if (grown == NULL) return 0;
        self->bytes = grown;
        self->capacity = capacity;
    }
    memcpy(self->bytes + self->length, bytes, more);
    self->length += more;
    return more;
}

/* base + encoded path + ?user.name=...&rest */
static int make_url(const webhdfs *self, const char *path, const char *rest, char url[URL_SIZE])
{
    size_t length = (size_t)snprintf(url, URL_SIZE, "%s", self->base);
    for (const char *at = path; *at != '\0' && length < URL_SIZE - 4; at++) {
        unsigned char c = (unsigned char)*at;
        int plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("/-_.~=", c) != NULL;
        length += (size_t)snprintf(url + length, URL_SIZE - length, plain ? "%c" : "%%%02X", c);
    }
    length += (size_t)snprintf(url + length, URL_SIZE - length, "?user.name=%s&%s", self->user, rest);
    return length < URL_SIZE;
}

static void set_common(CURL *curl, const char *url, char *reason)
{
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 20L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 60L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "ucid/" UCID_VERSION);
}

/* What the server says of its failure; of its stack trace the first line. */
static ucid_status refused(const char *path, long code, const answer *got, ucid_error *error)
{
    json_t *root = got->length > 0 ? json_loadb(got->bytes, got->length, 0, NULL) : NULL;
    json_t *problem = json_object_get(root, "RemoteException");
    const char *text = json_string_value(json_object_get(problem, "message"));
    ucid_status status = code == 404 || code == 403 || code == 401 ? UCID_FILE_NOT_FOUND : UCID_IO_ERROR;
    if (text != NULL) {
        fail(error, status, "%.*s", (int)strcspn(text, "\n"), text);
    } else {
        fail(error, status, "%s: the NameNode or DataNode answered %ld", path, code);
    }
    json_decref(root);
    return status;
}

/* One request; got->bytes is to be freed by the caller unless fixed. */
static ucid_status request(webhdfs *self, const char *method, const char *path, const char *rest, int tries,
                           answer *got, long *code, ucid_error *error)
{
    char url[URL_SIZE], reason[CURL_ERROR_SIZE];
    if (!make_url(self, path, rest, url)) return fail(error, UCID_INVALID_ARGUMENT, "%s: the name is too long", path);
    for (int attempt = 1;; attempt++) {
        CURL *curl = take_handle(self);
        if (curl == NULL) return fail(error, UCID_NO_MEMORY, "%s: no memory", path);
        got->length = 0;
        reason[0] = '\0';
        set_common(curl, url, reason);
        curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 4L);
        if (strcmp(method, "GET") != 0) curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, got);
        CURLcode failed = curl_easy_perform(curl);
        *code = 0;
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, code);
        give_handle(self, curl);
        if (failed == CURLE_OK && *code < 500) return UCID_OK;
        if (attempt >= tries) {
            if (failed == CURLE_OK) return UCID_OK;
            return fail(error, UCID_IO_ERROR, "%.100s: %.100s", path,
                        reason[0] != '\0' ? reason : curl_easy_strerror(failed));
        }
        struct timespec pause = {.tv_sec = attempt};
        nanosleep(&pause, NULL);
    }
}

/* A request that answers in JSON. *root is to be released. */
static ucid_status ask(webhdfs *self, const char *method, const char *path, const char *rest, int tries, json_t **root,
                       long *code, ucid_error *error)
{
    answer got = {NULL, 0, 0, 0};
    *root = NULL;
    ucid_status status = request(self, method, path, rest, tries, &got, code, error);
    if (status == UCID_OK && *code >= 300 && *code != 404) status = refused(path, *code, &got, error);
    if (status == UCID_OK && *code < 300) {
        *root = json_loadb(got.bytes != NULL ? got.bytes : "", got.length, 0, NULL);
        if (*root == NULL) status = fail(error, UCID_IO_ERROR, "%s: the server does not speak WebHDFS", path);
    } else if (status == UCID_OK) {
        ucid_error said;
        refused(path, *code, &got, &said);
        *error = said;
    }
    free(got.bytes);
    return status;
}

static webhdfs_info info_of(const json_t *entry)
{
    const char *type = json_string_value(json_object_get(entry, "type"));
    webhdfs_info info = {type != NULL && strcmp(type, "DIRECTORY") == 0 ? WEBHDFS_FOLDER : WEBHDFS_FILE,
                         json_integer_value(json_object_get(entry, "length"))};
    return info;
}

static ucid_status hdfs_stat(webhdfs *self, const char *path, webhdfs_info *info, ucid_error *error)
{
    json_t *root;
    long code;
    ucid_status status = ask(self, "GET", path, "op=GETFILESTATUS", TRIES, &root, &code, error);
    if (status != UCID_OK) return status;
    *info = (webhdfs_info){WEBHDFS_NONE, 0};
    if (code < 300) *info = info_of(json_object_get(root, "FileStatus"));
    json_decref(root);
    return UCID_OK;
}

static ucid_status hdfs_list(webhdfs *self, const char *path, webhdfs_list_fn fn, void *ctx, ucid_error *error)
{
    json_t *root;
    long code;
    ucid_status status = ask(self, "GET", path, "op=LISTSTATUS", TRIES, &root, &code, error);
    if (status != UCID_OK) return status;
    if (code >= 300) return error->status;
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(json_object_get(root, "FileStatuses"), "FileStatus"), i, entry)
    {
        webhdfs_info info = info_of(entry);
        const char *name = json_string_value(json_object_get(entry, "pathSuffix"));
        if (name != NULL && fn(ctx, name, &info) != 0) break;
    }
    json_decref(root);
    return UCID_OK;
}

static ucid_status hdfs_read(webhdfs *self, const char *path, int64_t offset, int64_t count, void *bytes,
                             ucid_error *error)
{
    char rest[128];
    long code;
    if (count == 0) return UCID_OK;
    snprintf(rest, sizeof rest, "op=OPEN&offset=%lld&length=%lld", (long long)offset, (long long)count);
    for (int attempt = 1;; attempt++) {
        answer got = {bytes, 0, (size_t)count, 1};
        ucid_status status = request(self, "GET", path, rest, TRIES, &got, &code, error);
        if (status != UCID_OK) return status;
        if (code >= 300) return refused(path, code, &got, error);
        if (got.length == (size_t)count) return UCID_OK;
        if (attempt == TRIES) {
            return fail(error, UCID_IO_ERROR, "%s: %zu bytes came of %lld at %lld", path, got.length, (long long)count,
                        (long long)offset);
        }
    }
}

/* A request whose answer is {"boolean": true}. */
static ucid_status change(webhdfs *self, const char *method, const char *path, const char *rest, ucid_error *error)
{
    json_t *root;
    long code;
    ucid_status status = ask(self, method, path, rest, 1, &root, &code, error);
    if (status != UCID_OK) return status;
    if (code >= 300) return error->status;
    /* a rename that replaces answers with nothing else than success */
    int refused_it = json_is_false(json_object_get(root, "boolean"));
    json_decref(root);
    return refused_it ? fail(error, UCID_IO_ERROR, "%s: the NameNode refused it", path) : UCID_OK;
}

static ucid_status hdfs_remove(webhdfs *self, const char *path, ucid_error *error)
{
    return change(self, "DELETE", path, "op=DELETE", error);
}

static ucid_status hdfs_rename(webhdfs *self, const char *from, const char *to, ucid_error *error)
{
    char rest[URL_SIZE];
    char *encoded = curl_easy_escape(NULL, to, 0);
    if (encoded == NULL) return fail(error, UCID_NO_MEMORY, "%s: no memory", to);
    snprintf(rest, sizeof rest, "op=RENAME&renameoptions=OVERWRITE&destination=%s", encoded);
    curl_free(encoded);
    answer got = {NULL, 0, 0, 0};
    long code;
    ucid_status status = request(self, "PUT", from, rest, 1, &got, &code, error);
    if (status == UCID_OK && code >= 300) status = refused(from, code, &got, error);
    free(got.bytes);
    return status;
}

/* ---------------------------------------------------------------------------------------------------- Uploads -- */

struct webhdfs_output {
    CURL *curl;
    CURLM *multi;
    char path[4096], reason[CURL_ERROR_SIZE];
    const char *piece;
    size_t left;
    int whole, done;
    CURLcode result;
    answer said;
};

static size_t give_bytes(char *into, size_t size, size_t count, void *ctx)
{
    webhdfs_output *self = ctx;
    if (self->left == 0) return self->whole ? 0 : CURL_READFUNC_PAUSE;
    size_t taken = size * count < self->left ? size * count : self->left;
    memcpy(into, self->piece, taken);
    self->piece += taken;
    self->left -= taken;
    return taken;
}

/* Run until the piece is taken, or with `whole` until the server has answered. */
static ucid_status run(webhdfs_output *self, ucid_error *error)
{
    curl_easy_pause(self->curl, CURLPAUSE_CONT);
    while (!self->done && (self->left > 0 || self->whole)) {
        int running, queued;
        if (curl_multi_perform(self->multi, &running) != CURLM_OK ||
            curl_multi_poll(self->multi, NULL, 0, 1000, NULL) != CURLM_OK) {
            return fail(error, UCID_IO_ERROR, "%s: the transfer failed", self->path);
        }
        for (CURLMsg *message; (message = curl_multi_info_read(self->multi, &queued)) != NULL;) {
            if (message->msg != CURLMSG_DONE) continue;
            self->done = 1;
            self->result = message->data.result;
        }
    }
    if (!self->done) return UCID_OK;
    long code = 0;
    curl_easy_getinfo(self->curl, CURLINFO_RESPONSE_CODE, &code);
    if (code >= 300) return refused(self->path, code, &self->said, error);
    if (self->result != CURLE_OK) {
        return fail(error, UCID_IO_ERROR, "%.100s: %.100s", self->path,
                    self->reason[0] != '\0' ? self->reason : curl_easy_strerror(self->result));
    }
    if (self->left > 0) return fail(error, UCID_IO_ERROR, "%s: the DataNode ended the transfer", self->path);
    return UCID_OK;
}

static void free_output(webhdfs_output *self)
{
    if (self->multi != NULL && self->curl != NULL) curl_multi_remove_handle(self->multi, self->curl);
    if (self->curl != NULL) curl_easy_cleanup(self->curl);
    if (self->multi != NULL) curl_multi_cleanup(self->multi);
    free(self->said.bytes);
    free(self);
}

static ucid_status hdfs_create(webhdfs *self, const char *path, webhdfs_output **out, ucid_error *error)
{
    char url[URL_SIZE];
    if (!make_url(self, path, "op=CREATE&overwrite=true", url) || strlen(path) >= sizeof((*out)->path)) {
        return fail(error, UCID_INVALID_ARGUMENT, "%s: the name is too long", path);
    }
    webhdfs_output *made = calloc(1, sizeof *made);
    if (made == NULL) return fail(error, UCID_NO_MEMORY, "%s: no memory", path);
    snprintf(made->path, sizeof made->path, "%s", path);
    made->curl = curl_easy_init();
    made->multi = curl_multi_init();
    ucid_status status = UCID_OK;
    char *target = NULL;
    if (made->curl == NULL || made->multi == NULL) {
        status = fail(error, UCID_NO_MEMORY, "%s: no memory", path);
    } else {
        /* the NameNode, without a body: which DataNode takes it? */
        set_common(made->curl, url, made->reason);
        curl_easy_setopt(made->curl, CURLOPT_CUSTOMREQUEST, "PUT");
        curl_easy_setopt(made->curl, CURLOPT_WRITEFUNCTION, take_bytes);
        curl_easy_setopt(made->curl, CURLOPT_WRITEDATA, &made->said);
        CURLcode failed = curl_easy_perform(made->curl);
        long code = 0;
        curl_easy_getinfo(made->curl, CURLINFO_RESPONSE_CODE, &code);
        curl_easy_getinfo(made->curl, CURLINFO_REDIRECT_URL, &target);
        if (failed != CURLE_OK) {
            status = fail(error, UCID_IO_ERROR, "%.100s: %.100s", path,
                          made->reason[0] != '\0' ? made->reason : curl_easy_strerror(failed));
        } else if (target == NULL) {
            status = refused(path, code, &made->said, error);
        }
    }
    if (status == UCID_OK) {
        snprintf(url, sizeof url, "%s", target);
        curl_easy_reset(made->curl);
        made->said.length = 0;
        made->reason[0] = '\0';
        set_common(made->curl, url, made->reason);
        curl_easy_setopt(made->curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(made->curl, CURLOPT_UPLOAD_BUFFERSIZE, 1L << 20);
        /* the writer may rest for as long as its rows take */
        curl_easy_setopt(made->curl, CURLOPT_LOW_SPEED_TIME, 0L);
        curl_easy_setopt(made->curl, CURLOPT_READFUNCTION, give_bytes);
        curl_easy_setopt(made->curl, CURLOPT_READDATA, made);
        curl_easy_setopt(made->curl, CURLOPT_WRITEFUNCTION, take_bytes);
        curl_easy_setopt(made->curl, CURLOPT_WRITEDATA, &made->said);
        if (curl_multi_add_handle(made->multi, made->curl) != CURLM_OK)
            status = fail(error, UCID_NO_MEMORY, "%s: no memory", path);
    }
    if (status != UCID_OK) {
        free_output(made);
        return status;
    }
    *out = made;
    return UCID_OK;
}

static ucid_status hdfs_write(webhdfs_output *out, const void *bytes, int64_t count, ucid_error *error)
{
    out->piece = bytes;
    out->left = (size_t)count;
    return run(out, error);
}

static ucid_status hdfs_close(webhdfs_output *out, int whole, ucid_error *error)
{
    ucid_status status = UCID_OK;
    if (whole) {
        out->whole = 1;
        status = run(out, error);
    }
    free_output(out);
    return status;
}

UCID_API const webhdfs_api *ucid_webhdfs(void)
{
    static const webhdfs_api api = {hdfs_connect, hdfs_disconnect, hdfs_stat,  hdfs_list,   hdfs_read,
                                    hdfs_create,  hdfs_write,      hdfs_close, hdfs_rename, hdfs_remove};
    return &api;
}
