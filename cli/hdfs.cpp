// hdfs.cpp: what Arrow asks of a file system, by webhdfs.h. Only what tables need: no folders are made or removed.
#include "hdfs.hpp"

#include "webhdfs.h"

#include <arrow/api.h>
#include <arrow/io/api.h>
#include <arrow/util/io_util.h>

#include <cerrno>
#include <dlfcn.h>

using arrow::Result;
using arrow::Status;
using std::shared_ptr;
using std::string;

namespace
{

Status status_of(ucid_status status, const ucid_error &error)
{
    if (status == UCID_OK) return Status::OK();
    if (status == UCID_NO_MEMORY) return Status::OutOfMemory(error.message);
    if (status == UCID_INVALID_ARGUMENT) return Status::Invalid(error.message);
    return Status::IOError(error.message);
}

const webhdfs_api *load(string *reason)
{
    Dl_info info;
    if (dladdr(reinterpret_cast<void *>(&load), &info) == 0) return nullptr;
    string path = info.dli_fname;
    path = path.substr(0, path.rfind('/') + 1) + "libucid_hdfs.so";
    void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == nullptr) {
        *reason = dlerror();
        return nullptr;
    }
    const webhdfs_api *(*get)(void) = nullptr;
    *reinterpret_cast<void **>(&get) = dlsym(library, "ucid_webhdfs");
    return get != nullptr ? get() : nullptr;
}

struct connection {
    const webhdfs_api *api;
    webhdfs *server = nullptr;
    ~connection() { api->disconnect(server); }
};

class hdfs_file final : public arrow::io::RandomAccessFile
{
  public:
    hdfs_file(shared_ptr<connection> to, string path, int64_t size)
        : to_(std::move(to)), path_(std::move(path)), size_(size)
    {
    }

    Status Close() override
    {
        closed_ = true;
        return Status::OK();
    }
    bool closed() const override { return closed_; }
    Result<int64_t> Tell() const override { return position_; }
    Result<int64_t> GetSize() override { return size_; }
    Status Seek(int64_t position) override
    {
        if (position < 0 || position > size_) return Status::IOError("cannot seek to ", position);
        position_ = position;
        return Status::OK();
    }

    Result<int64_t> ReadAt(int64_t position, int64_t count, void *out) override
    {
        if (position < 0 || count < 0) return Status::Invalid("cannot read at ", position);
        count = std::max<int64_t>(0, std::min(count, size_ - position));
        ucid_error error;
        ucid_status status = to_->api->read(to_->server, path_.c_str(), position, count, out, &error);
        ARROW_RETURN_NOT_OK(status_of(status, error));
        return count;
    }
    Result<shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t count) override
    {
        count = std::max<int64_t>(0, std::min(count, size_ - position));
        ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(count));
        ARROW_ASSIGN_OR_RAISE(int64_t got, ReadAt(position, count, buffer->mutable_data()));
        ARROW_RETURN_NOT_OK(buffer->Resize(got, false));
        return shared_ptr<arrow::Buffer>(std::move(buffer));
    }
    Result<int64_t> Read(int64_t count, void *out) override
    {
        ARROW_ASSIGN_OR_RAISE(int64_t got, ReadAt(position_, count, out));
        position_ += got;
        return got;
    }
    Result<shared_ptr<arrow::Buffer>> Read(int64_t count) override
    {
        ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, count));
        position_ += buffer->size();
        return buffer;
    }

  private:
    shared_ptr<connection> to_;
    string path_;
    int64_t size_, position_ = 0;
    bool closed_ = false;
};

class hdfs_output final : public arrow::io::OutputStream
{
  public:
    hdfs_output(shared_ptr<connection> to, webhdfs_output *out) : to_(std::move(to)), out_(out) {}
    ~hdfs_output() override { (void)Abort(); }

    using arrow::io::OutputStream::Write;
    Status Write(const void *bytes, int64_t count) override
    {
        if (out_ == nullptr) return Status::Invalid("the file is closed");
        ucid_error error;
        position_ += count;
        return status_of(to_->api->write(out_, bytes, count, &error), error);
    }
    Status Close() override { return end(1); }
    Status Abort() override { return end(0); }
    bool closed() const override { return out_ == nullptr; }
    Result<int64_t> Tell() const override { return position_; }

  private:
    Status end(int whole)
    {
        if (out_ == nullptr) return Status::OK();
        ucid_error error;
        webhdfs_output *out = out_;
        out_ = nullptr;
        return status_of(to_->api->close(out, whole, &error), error);
    }

    shared_ptr<connection> to_;
    webhdfs_output *out_;
    int64_t position_ = 0;
};

class hdfs_system final : public arrow::fs::FileSystem
{
  public:
    explicit hdfs_system(shared_ptr<connection> to) : to_(std::move(to)) {}

    string type_name() const override { return "webhdfs"; }
    bool Equals(const FileSystem &other) const override { return this == &other; }

    using arrow::fs::FileSystem::GetFileInfo;
    Result<arrow::fs::FileInfo> GetFileInfo(const string &path) override
    {
        webhdfs_info found;
        ucid_error error;
        ARROW_RETURN_NOT_OK(status_of(to_->api->stat(to_->server, path.c_str(), &found, &error), error));
        return info_of(path, found);
    }

    Result<arrow::fs::FileInfoVector> GetFileInfo(const arrow::fs::FileSelector &select) override
    {
        struct listing {
            string folder;
            arrow::fs::FileInfoVector infos;
        } all{select.base_dir, {}};
        auto take = [](void *ctx, const char *name, const webhdfs_info *info) {
            auto *list = static_cast<listing *>(ctx);
            list->infos.push_back(info_of(list->folder + "/" + name, *info));
            return 0;
        };
        ucid_error error;
        ARROW_RETURN_NOT_OK(status_of(to_->api->list(to_->server, select.base_dir.c_str(), take, &all, &error), error));
        arrow::fs::FileInfoVector infos = all.infos;
        for (const auto &info : all.infos) {
            if (!select.recursive || !info.IsDirectory()) continue;
            arrow::fs::FileSelector below = select;
            below.base_dir = info.path();
            ARROW_ASSIGN_OR_RAISE(auto more, GetFileInfo(below));
            infos.insert(infos.end(), more.begin(), more.end());
        }
        return infos;
    }

    using arrow::fs::FileSystem::OpenInputFile;
    Result<shared_ptr<arrow::io::RandomAccessFile>> OpenInputFile(const string &path) override
    {
        ARROW_ASSIGN_OR_RAISE(auto info, GetFileInfo(path));
        if (!info.IsFile()) return arrow::internal::IOErrorFromErrno(info.IsDirectory() ? EISDIR : ENOENT, path);
        return std::make_shared<hdfs_file>(to_, path, info.size());
    }
    using arrow::fs::FileSystem::OpenInputStream;
    Result<shared_ptr<arrow::io::InputStream>> OpenInputStream(const string &path) override
    {
        ARROW_ASSIGN_OR_RAISE(auto file, OpenInputFile(path));
        return arrow::io::BufferedInputStream::Create(4 << 20, arrow::default_memory_pool(), file);
    }
    Result<shared_ptr<arrow::io::OutputStream>>
    OpenOutputStream(const string &path, const shared_ptr<const arrow::KeyValueMetadata> &) override
    {
        webhdfs_output *out;
        ucid_error error;
        ARROW_RETURN_NOT_OK(status_of(to_->api->create(to_->server, path.c_str(), &out, &error), error));
        return std::make_shared<hdfs_output>(to_, out);
    }

    Status DeleteFile(const string &path) override
    {
        ucid_error error;
        return status_of(to_->api->remove(to_->server, path.c_str(), &error), error);
    }
    Status Move(const string &from, const string &to) override
    {
        ucid_error error;
        return status_of(to_->api->rename(to_->server, from.c_str(), to.c_str(), &error), error);
    }

    Status CreateDir(const string &, bool) override { return unused(); }
    Status DeleteDir(const string &) override { return unused(); }
    Status DeleteDirContents(const string &, bool) override { return unused(); }
    Status DeleteRootDirContents() override { return unused(); }
    Status CopyFile(const string &, const string &) override { return unused(); }
    Result<shared_ptr<arrow::io::OutputStream>>
    OpenAppendStream(const string &, const shared_ptr<const arrow::KeyValueMetadata> &) override
    {
        return unused();
    }

  private:
    static Status unused() { return Status::NotImplemented("tables do not need it"); }
    static arrow::fs::FileInfo info_of(const string &path, const webhdfs_info &found)
    {
        arrow::fs::FileInfo info(path, found.kind == WEBHDFS_FILE     ? arrow::fs::FileType::File
                                       : found.kind == WEBHDFS_FOLDER ? arrow::fs::FileType::Directory
                                                                      : arrow::fs::FileType::NotFound);
        if (found.kind == WEBHDFS_FILE) info.set_size(found.length);
        return info;
    }

    shared_ptr<connection> to_;
};

} // namespace

Result<shared_ptr<arrow::fs::FileSystem>> open_hdfs(const string &uri, string *path)
{
    static string reason;
    static const webhdfs_api *const api = load(&reason);
    if (api == nullptr) return Status::NotImplemented("hdfs:// needs libucid_hdfs.so: ", reason);
    auto to = std::make_shared<connection>();
    to->api = api;
    ucid_error error;
    ARROW_RETURN_NOT_OK(status_of(api->connect(uri.c_str(), &to->server, &error), error));
    size_t begin = uri.find('/', uri.find("://") + 3);
    *path = begin == string::npos ? "/" : uri.substr(begin);
    while (path->size() > 1 && path->back() == '/') path->pop_back();
    return std::make_shared<hdfs_system>(to);
}
