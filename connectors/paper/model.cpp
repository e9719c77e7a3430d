// The venue's names of things (enums.md).
#include "connectors/paper/model.hpp"

namespace oneclick::paper {

std::string_view to_text(Status status) {
  switch (status) {
    case Status::created:
    case Status::open:
      return "NEW";
    case Status::partially_filled:
      return "PARTIALLY_FILLED";
    case Status::filled:
      return "FILLED";
    case Status::canceled:
      return "CANCELED";
    case Status::expired:
      return "EXPIRED";
    case Status::expired_in_match:
      return "EXPIRED_IN_MATCH";
    case Status::rejected:
      return "REJECTED";
  }
  return "?";
}
std::string_view to_text(Type type) {
  switch (type) {
    case Type::limit:
      return "LIMIT";
    case Type::market:
      return "MARKET";
    case Type::limit_maker:
      return "LIMIT_MAKER";
    case Type::stop_loss:
      return "STOP_LOSS";
    case Type::stop_loss_limit:
      return "STOP_LOSS_LIMIT";
    case Type::take_profit:
      return "TAKE_PROFIT";
    case Type::take_profit_limit:
      return "TAKE_PROFIT_LIMIT";
  }
  return "?";
}
std::string_view to_text(Tif tif) {
  switch (tif) {
    case Tif::gtc:
      return "GTC";
    case Tif::ioc:
      return "IOC";
    case Tif::fok:
      return "FOK";
  }
  return "?";
}

std::string_view to_text(SelfTrade mode) {
  switch (mode) {
    case SelfTrade::none:
      return "NONE";
    case SelfTrade::expire_taker:
      return "EXPIRE_TAKER";
    case SelfTrade::expire_maker:
      return "EXPIRE_MAKER";
    case SelfTrade::expire_both:
      return "EXPIRE_BOTH";
  }
  return "?";
}

}  // namespace oneclick::paper
