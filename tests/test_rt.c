/* test_rt.c: statuses, digests against published vectors, files that appear whole, tasks that all run once. */
#include "rt/digest.h"
#include "rt/error.h"
#include "rt/file.h"
#include "rt/memory.h"
#include "rt/pool.h"
#include "rt/recycler.h"

#include <ctype.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void statuses_have_one_spelling(void **state)
{
    (void)state;
#define CHECK(name, number, exit_code, python_class, meaning)                                                          \
    {                                                                                                                  \
        char lower[64] = #name;                                                                                        \
        for (char *c = lower; *c; c++) *c = (char)tolower((unsigned char)*c);                                          \
        assert_string_equal(ucid_status_name(UCID_##name), lower);                                                     \
        assert_string_equal(ucid_status_code(UCID_##name), #name);                                                     \
        assert_int_equal(ucid_status_exit_code(UCID_##name), exit_code);                                               \
    }
    UCID_STATUS_LIST(CHECK)
#undef CHECK
}

static void messages_are_one_line_and_cut_between_characters(void **state)
{
    (void)state;
    ucid_error error;
    char text[400];
    for (size_t i = 0; i + 2 < sizeof text; i += 2) memcpy(text + i, "\xC3\xA9", 2);
    text[398] = '\0';
    assert_int_equal(ucid_fail(&error, UCID_DATA_ERROR, "a\n%s", text), UCID_DATA_ERROR);
    assert_int_equal(error.message[1], ' ');
    size_t length = strlen(error.message);
    assert_true(length >= sizeof error.message - 3);
    assert_int_equal((length - 2) % 2, 0);
    assert_int_equal(ucid_fail(NULL, UCID_IO_ERROR, "no error to fill"), UCID_IO_ERROR);
}

/* FIPS 180-4 examples, as published by NIST. */
static void sha256_equals_published_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *hex;
    } vectors[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        for (size_t split = 0; split <= strlen(vectors[i].text); split++) {
            ucid_sha256 digest;
            uint8_t bytes[32];
            char hex[65];
            ucid_sha256_init(&digest);
            ucid_sha256_update(&digest, vectors[i].text, split);
            ucid_sha256_update(&digest, vectors[i].text + split, strlen(vectors[i].text) - split);
            ucid_sha256_finish(&digest, bytes);
            ucid_sha256_hex(bytes, hex);
            assert_string_equal(hex, vectors[i].hex);
        }
    }
    ucid_sha256 digest;
    uint8_t bytes[32];
    char hex[65], thousand[1000];
    memset(thousand, 'a', sizeof thousand);
    ucid_sha256_init(&digest);
    for (int i = 0; i < 1000; i++) ucid_sha256_update(&digest, thousand, sizeof thousand);
    ucid_sha256_finish(&digest, bytes);
    ucid_sha256_hex(bytes, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void an_uncommitted_file_leaves_the_old_one(void **state)
{
    (void)state;
    char path[] = "/tmp/ucid-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "old", 3), 3);
    close(fd);
    ucid_file_writer writer;
    ucid_error error;
    assert_int_equal(ucid_file_writer_open(path, NULL, &writer, &error), UCID_OK);
    assert_int_equal(ucid_file_writer_write(&writer, "newer", 5, &error), UCID_OK);
    ucid_file_writer_close(&writer);
    ucid_file_map map;
    assert_int_equal(ucid_file_map_open(path, &map, &error), UCID_OK);
    assert_memory_equal(map.bytes, "old", 3);
    ucid_file_map_close(&map);

    assert_int_equal(ucid_file_writer_open(path, NULL, &writer, &error), UCID_OK);
    assert_int_equal(ucid_file_writer_write(&writer, "newer", 5, &error), UCID_OK);
    assert_int_equal(ucid_file_writer_write_at(&writer, 0, "N", 1, &error), UCID_OK);
    assert_int_equal(ucid_file_writer_commit(&writer, &error), UCID_OK);
    ucid_file_writer_close(&writer);
    assert_int_equal(ucid_file_map_open(path, &map, &error), UCID_OK);
    assert_int_equal(map.length, 5);
    assert_memory_equal(map.bytes, "Newer", 5);
    ucid_file_map_close(&map);

    ucid_file_writer two[2]; /* at once: the last to finish stays, and both are whole */
    for (int i = 0; i < 2; i++) assert_int_equal(ucid_file_writer_open(path, NULL, &two[i], &error), UCID_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ucid_file_writer_write(&two[i], i ? "second" : "first", i ? 6 : 5, &error), UCID_OK);
    }
    for (int i = 1; i >= 0; i--) {
        assert_int_equal(ucid_file_writer_commit(&two[i], &error), UCID_OK);
        ucid_file_writer_close(&two[i]);
        assert_int_equal(ucid_file_map_open(path, &map, &error), UCID_OK);
        assert_int_equal(map.length, i ? 6 : 5);
        assert_memory_equal(map.bytes, i ? "second" : "first", map.length);
        ucid_file_map_close(&map);
    }
    unlink(path);

    assert_int_equal(ucid_file_map_open(path, &map, &error), UCID_FILE_NOT_FOUND);
    assert_int_equal(ucid_file_map_open("/tmp", &map, &error), UCID_FILE_NOT_FOUND);
    assert_int_equal(ucid_file_writer_open("/nowhere/at/all", NULL, &writer, &error), UCID_IO_ERROR);

    /* a device, a pipe or a folder is not replaced */
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(ucid_file_writer_open(path, NULL, &writer, &error), UCID_IO_ERROR);
    assert_non_null(strstr(error.message, "no regular file"));
    struct stat found;
    assert_true(stat(path, &found) == 0 && S_ISFIFO(found.st_mode));
    unlink(path);
}

enum { TASKS = 1000 };
static _Atomic int task_runs[TASKS];

static void run_task(void *ctx, int64_t task, int worker)
{
    int threads = *(const int *)ctx;
    if (worker >= 0 && worker < threads) atomic_fetch_add(&task_runs[task], 1);
}

static void every_task_runs_once(void **state)
{
    (void)state;
    int counts[] = {1, 2, 7, 300};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        for (int i = 0; i < TASKS; i++) task_runs[i] = 0;
        ucid_parallel(counts[c], TASKS, run_task, &counts[c]);
        for (int i = 0; i < TASKS; i++) assert_int_equal(task_runs[i], 1);
    }
    ucid_parallel(4, 0, run_task, &counts[0]);
}

static void a_killed_writer_leaves_nothing(void **state)
{
    (void)state;
    char folder[] = "/tmp/ucid-rt-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/out", folder);
    for (int aborted = 0; aborted < 2; aborted++) {
        pid_t child = fork();
        if (child == 0) {
            ucid_file_writer writer;
            if (ucid_file_writer_open(path, NULL, &writer, NULL) != UCID_OK ||
                ucid_file_writer_write(&writer, "some", 4, NULL) != UCID_OK) {
                _exit(1);
            }
            if (!aborted) raise(SIGKILL);
            ucid_file_writer_close(&writer);
            _exit(0);
        }
        int status = -1;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(aborted ? WIFEXITED(status) && WEXITSTATUS(status) == 0
                            : WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_int_equal(rmdir(folder), 0); /* nothing is in it */
        assert_int_equal(mkdir(folder, 0700), 0);
    }
    ucid_file_writer writer;
    assert_int_equal(ucid_file_writer_open(path, NULL, &writer, NULL), UCID_OK);
    assert_int_equal(ucid_file_writer_write(&writer, "whole", 5, NULL), UCID_OK);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(ucid_file_writer_commit(&writer, NULL), UCID_OK);
    ucid_file_writer_close(&writer);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    mode_t mask = umask(0);
    umask(mask);
    assert_true(st.st_size == 5 && (st.st_mode & 0777) == (0666 & ~mask));
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
}

/* Blocks that somebody has, and how often one was asked for. */
typedef struct blocks {
    int64_t held, made;
} blocks;

static void *count_blocks(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    blocks *counts = ctx;
    counts->held += (ptr == NULL && new_size > 0) - (ptr != NULL && new_size == 0);
    counts->made += ptr == NULL && new_size > 0;
    return ucid_default_allocator.fn(ucid_default_allocator.ctx, ptr, old_size, new_size);
}

static void large_blocks_come_back_and_nothing_stays(void **state)
{
    (void)state;
    enum { LARGE = 1 << 20, HUGE_BLOCK = 1 << 26 };
    blocks counts = {0, 0};
    ucid_allocator below = {count_blocks, &counts};
    ucid_recycler *recycler = ucid_recycler_new(&below);
    assert_non_null(recycler);
    ucid_allocator allocator = ucid_recycler_allocator(recycler);
    char *first = ucid_allocate(&allocator, LARGE, 1);
    memset(first, 7, LARGE);
    ucid_release(&allocator, first, LARGE, 1);
    int64_t made = counts.made;
    assert_ptr_equal(ucid_allocate(&allocator, LARGE - 1000, 1), first); /* a little smaller */
    assert_int_equal(counts.made, made);
    void *other = ucid_allocate(&allocator, LARGE, 1);
    assert_ptr_not_equal(other, first);
    ucid_release(&allocator, first, LARGE - 1000, 1);
    void *small = ucid_allocate(&allocator, 10, 1), *half = ucid_allocate(&allocator, LARGE / 4, 1);
    assert_int_equal(counts.made, made + 3); /* the kept one is too good for them */
    void *huge = ucid_allocate(&allocator, HUGE_BLOCK, 1);
    ucid_release(&allocator, huge, HUGE_BLOCK, 1); /* and that one too large to be kept */
    assert_int_equal(counts.held, 5);              /* the recycler, first, other, small, half */
    char *grown = allocator.fn(allocator.ctx, small, 10, LARGE);
    assert_ptr_equal(grown, first);
    grown[0] = 'a';
    grown = allocator.fn(allocator.ctx, grown, LARGE, 20);
    assert_true(grown[0] == 'a');
    ucid_recycler_leave(recycler);
    assert_int_equal(counts.held, 4); /* what is out: other, half, grown; and who counts them */
    ucid_release(&allocator, other, LARGE, 1);
    ucid_release(&allocator, grown, 20, 1);
    assert_int_equal(counts.held, 2);
    ucid_release(&allocator, half, LARGE / 4, 1);
    assert_int_equal(counts.held, 0);
    ucid_recycler_leave(NULL);
    recycler = ucid_recycler_new(&below);
    ucid_recycler_leave(recycler);
    assert_int_equal(counts.held, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_have_one_spelling),
        cmocka_unit_test(messages_are_one_line_and_cut_between_characters),
        cmocka_unit_test(sha256_equals_published_vectors),
        cmocka_unit_test(an_uncommitted_file_leaves_the_old_one),
        cmocka_unit_test(every_task_runs_once),
        cmocka_unit_test(large_blocks_come_back_and_nothing_stays),
        cmocka_unit_test(a_killed_writer_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
