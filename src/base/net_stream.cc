#include "base/net_stream.h"

#include <algorithm>

#include "base/net_tls.h"

namespace tarn {

SocketStream::SocketStream(std::unique_ptr<Channel> channel, Address remote, bool stranger)
    : channel_(std::move(channel)),
      remote_(std::move(remote)),
      fd_(channel_->fd()),
      stranger_(stranger),
      stranger_until_(After(kUntrustedTime)) {}

Deadline SocketStream::DeadlineFor(Duration timeout) const {
    Deadline deadline = After(timeout);
    return stranger_ ? std::min(deadline, stranger_until_) : deadline;
}

Error SocketStream::Explain(Error error) const {
    if (shut_down_.load()) return Error(ErrorCode::kCancelled, "the connection was shut down");
    return error;
}

Result<size_t> SocketStream::Read(MutableByteSpan buffer) {
    if (stranger_) {
        if (stranger_bytes_left_ == 0) {
            return Error(ErrorCode::kResourceExhausted, "{} sent more than {} bytes before it logged in",
                         remote_.ToString(), kUntrustedBytesMax);
        }
        buffer = buffer.first(std::min(buffer.size(), stranger_bytes_left_));
    }
    Result<size_t> got = ReadBlocking(*channel_, buffer, DeadlineFor(read_timeout_));
    if (shut_down_.load()) return Error(ErrorCode::kCancelled, "the connection was shut down");
    if (got.ok() && stranger_) stranger_bytes_left_ -= *got;
    return got;
}

Status SocketStream::Write(ByteSpan bytes) {
    // In pieces, each with the full time: a large write over a slow line is not a stuck one.
    constexpr size_t kPieceBytes = 1 << 20;
    do {
        ByteSpan piece = bytes.first(std::min(bytes.size(), kPieceBytes));
        Status sent = WriteBlocking(*channel_, std::span(&piece, 1), DeadlineFor(write_timeout_));
        if (!sent.ok()) return Explain(std::move(sent).error());
        bytes = bytes.subspan(piece.size());
    } while (!bytes.empty());
    return Ok();
}

void SocketStream::SetTimeouts(Duration read, Duration write) {
    read_timeout_ = read;
    write_timeout_ = write;
}

void SocketStream::Shutdown() {
    shut_down_.store(true);
    ShutdownSocket(fd_);
}

Status SocketStream::StartTlsServer(const std::shared_ptr<TlsContext>& context) {
    if (channel_->encrypted()) return Error(ErrorCode::kFailedPrecondition, "the connection is encrypted already");
    if (!context) return Error(ErrorCode::kFailedPrecondition, "there is no certificate to start TLS with");
    Fd fd = channel_->ReleaseFd();
    Result<std::unique_ptr<Channel>> encrypted = TlsServerChannel(std::move(fd), *context);
    // The socket stays open whatever happens: Shutdown may be using its number at this moment.
    channel_ = encrypted.ok() ? std::move(*encrypted) : Channel::Plain(std::move(fd));
    if (!encrypted.ok()) return std::move(encrypted).error();
    Status done = HandshakeBlocking(*channel_, DeadlineFor(read_timeout_));
    if (!done.ok()) return Explain(std::move(done).error());
    return Ok();
}

bool SocketStream::Reusable() {
    if (shut_down_.load() || channel_->HasPending()) return false;
    if (!IsReadable(fd_)) return true;
    if (!channel_->encrypted()) return false;
    // Over TLS the bytes may be a session ticket, which means nothing; anything else does.
    uint8_t byte;
    return channel_->Read(MutableByteSpan(&byte, 1)).state == IoState::kWantRead;
}

}  // namespace tarn
