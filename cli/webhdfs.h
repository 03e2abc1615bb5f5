/* webhdfs.h: files of HDFS over its HTTP interface, the plugin libucid_hdfs.so. io.cpp opens it when a name says
 * hdfs:// or webhdfs://, so that only these need libcurl; no Java and no libhdfs are asked for.
 *
 * hdfs://HOST[:RPC-PORT]/path finds the HTTP address of the NameNode in hdfs-site.xml of $HADOOP_CONF_DIR
 * (dfs.namenode.http-address), else takes port 9870 of HOST; hdfs:///path takes HOST from fs.defaultFS of
 * core-site.xml. webhdfs://HOST:HTTP-PORT/path names it. The user is $HADOOP_USER_NAME, else the one who runs the
 * program. */
#ifndef UCID_CLI_WEBHDFS_H
#define UCID_CLI_WEBHDFS_H

#include "ucid.h"
#ifdef __cplusplus
extern "C" {
#endif

typedef struct webhdfs webhdfs;
typedef struct webhdfs_output webhdfs_output;

typedef enum webhdfs_kind { WEBHDFS_NONE, WEBHDFS_FILE, WEBHDFS_FOLDER } webhdfs_kind;

typedef struct webhdfs_info {
    webhdfs_kind kind;
    int64_t length; /* bytes of a file */
} webhdfs_info;

/* Returns non-zero to stop. */
typedef int (*webhdfs_list_fn)(void *ctx, const char *name, const webhdfs_info *info);

/* All fail as functions of ucid.h do: FILE_NOT_FOUND, IO_ERROR, NO_MEMORY. Paths are absolute and not encoded. What
 * only reads is tried three times. A connection may be used by any number of threads, an output by one. */
typedef struct webhdfs_api {
    /* uri: scheme, host, port; the path behind is not looked at */
    ucid_status (*connect)(const char *uri, webhdfs **out, ucid_error *error);
    void (*disconnect)(webhdfs *self);
    /* A missing file is WEBHDFS_NONE, not an error. */
    ucid_status (*stat)(webhdfs *self, const char *path, webhdfs_info *info, ucid_error *error);
    ucid_status (*list)(webhdfs *self, const char *path, webhdfs_list_fn fn, void *ctx, ucid_error *error);
    /* Exactly `count` bytes, or an error. */
    ucid_status (*read)(webhdfs *self, const char *path, int64_t offset, int64_t count, void *bytes, ucid_error *error);
    /* An older file of the name is replaced at once: write beside, then rename. */
    ucid_status (*create)(webhdfs *self, const char *path, webhdfs_output **out, ucid_error *error);
    ucid_status (*write)(webhdfs_output *out, const void *bytes, int64_t count, ucid_error *error);
    /* Frees the output in any case. Without `whole` the transfer is broken off. */
    ucid_status (*close)(webhdfs_output *out, int whole, ucid_error *error);
    ucid_status (*rename)(webhdfs *self, const char *from, const char *to, ucid_error *error); /* replaces `to` */
    ucid_status (*remove)(webhdfs *self, const char *path, ucid_error *error);
} webhdfs_api;

/* The only symbol that the plugin exports. */
UCID_API const webhdfs_api *ucid_webhdfs(void);

#ifdef __cplusplus
}
#endif
#endif
