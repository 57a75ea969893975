// Power losses of nodes that have a file system each (DiskOptions::images).
#include <faultline/live/local_cluster.hpp>

#include <mutex>

#include "node_disk.hpp"
#include "volume.hpp"

namespace faultline::live {

Result<void> disk_images_work() {
  static std::once_flag tried;
  static Result<void> works;
  std::call_once(tried, [] { works = volumes_work(); });
  return works;
}

// The kernel decides what is durable, and forgets the rest: there is nothing to draw.
Result<void> LocalCluster::images_can_lose(const Fault& fault) const {
  const auto loss = disk_loss_of(fault);
  if (!loss) return loss.error();
  if (loss.value() != DiskLoss::lose_unsynced) {
    return Error::bad_input(
        "fault 'kill' with a torn or reordered disk is not available with images: a file system that is "
        "shut down loses what was not synced, and nothing else",
        "use lose_unsynced, or supervised disks (leave mechanism=image out)");
  }
  const auto works = disk_images_work();
  return works ? works
               : Error::bad_input("images of disks do not work here: " + works.error().message, works.error().remedy);
}

Result<void> LocalCluster::make_volume(const NodePlace& place) {
  if (!options_.disks.images) return {};
  auto volume = Volume::make(scratch_folder_ / (place.name + ".img"), place.data_directory, *leftovers_);
  if (!volume) return Error::environment("node " + place.name + ": " + volume.error().message, volume.error().remedy);
  volumes_.push_back(std::move(volume).value());
  return {};
}

Result<LossReport> LocalCluster::lose_power(std::size_t node, DiskLoss loss, Rng& rng) {
  return options_.disks.images ? volumes_[node]->lose() : disks_[node]->supervisor->lose(loss, rng);
}

Result<void> LocalCluster::unmount_volumes() {
  Result<void> outcome;
  for (const auto& volume : volumes_) {
    if (auto gone = volume->unmount(); !gone) outcome = gone;
  }
  if (outcome) volumes_.clear();
  return outcome;
}

}  // namespace faultline::live
